import Testing
import VMMCore

@testable import Trace

@Suite struct OutputDigestTests {
  /// As FORMAT.md says it, without the code under test.
  private func fold(_ v: UInt64, _ w: UInt64) -> UInt64 {
    let product = (v ^ 0x9e37_79b9_7f4a_7c15).multipliedFullWidth(by: w ^ 0xbf58_476d_1ce4_e5b9)
    return (product.high ^ product.low) &+ w.byteSwapped
  }

  @Test func followsTheDocument() {
    var digest = OutputDigest()
    digest.fold(.portWrite(port: 0x3f8, size: 1, value: 0x41), .none)
    digest.fold(.halt, .none)
    digest.fold(.mmioRead(address: GuestPhysicalAddress(0xfee0_0020), size: 4), .value(0x1_0000_0007))
    var expected: UInt64 = 0x243f_6a88_85a3_08d3
    for word in [0x2100_0000_0000_03f8, 0x41, 0x9000_0000_0000_0000, 0, 0x3400_0000_fee0_0020, 7] as [UInt64] {
      expected = fold(expected, word)
    }
    #expect(digest.value == expected)
  }

  @Test func everyPartCounts() {
    let events: [(VCPUExit, Answer)] = [
      (.portWrite(port: 1, size: 1, value: 2), .none), (.portWrite(port: 2, size: 1, value: 2), .none),
      (.portWrite(port: 1, size: 2, value: 2), .none), (.portWrite(port: 1, size: 1, value: 3), .none),
      (.portRead(port: 1, size: 1), .value(2)), (.mmioWrite(address: .init(1), size: 1, value: 2), .none),
      (.msrWrite(index: 1, value: 2), .none), (.msrWrite(index: 1, value: 2), .fault), (.msrRead(index: 1), .fault),
      (.timestampRead, .value(2)), (.randomRead, .value(2)), (.halt, .none),
    ]
    var values: [UInt64] = [OutputDigest().value]
    for (exit, answer) in events {
      var digest = OutputDigest()
      digest.fold(exit, answer)
      #expect(!values.contains(digest.value), "\(exit)")
      values.append(digest.value)
    }
  }
}
