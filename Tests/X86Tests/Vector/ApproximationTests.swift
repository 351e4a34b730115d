import Support
import Testing

@testable internal import X86

/// RCPSS and RSQRTSS: within the bound that the manuals give, and the special values.
@Suite struct ApproximationTests {
  @Test(arguments: [false, true])
  func `errors stay below 1.5 in 4096`(coarse: Bool) {
    var source = SeededRandom(seed: testSeed)
    for _ in 0..<testRounds(2_000) {
      let exponent = 20 + UInt32(source.below(200))
      let x = Float(bitPattern: exponent << 23 | UInt32(truncatingIfNeeded: source.next()) & 0x7f_ffff)
      let reciprocal = Float(bitPattern: Approximation.reciprocal(x.bitPattern, coarse: coarse))
      let root = Float(bitPattern: Approximation.reciprocalRoot(x.bitPattern, coarse: coarse))
      let error = abs(Double(reciprocal) * Double(x) - 1)
      let rootError = abs(Double(root) * Double(x).squareRoot() - 1)
      #expect(error <= 1.5 / 4096, "1 / \(x)")
      #expect(rootError <= 1.5 / 4096, "1 / √\(x)")
    }
  }

  @Test(arguments: [false, true])
  func `special values`(coarse: Bool) {
    let infinity: UInt32 = 0x7f80_0000
    func reciprocal(_ bits: UInt32) -> UInt32 { Approximation.reciprocal(bits, coarse: coarse) }
    func reciprocalRoot(_ bits: UInt32) -> UInt32 { Approximation.reciprocalRoot(bits, coarse: coarse) }
    #expect(reciprocal(0) == infinity)
    #expect(reciprocal(0x8000_0001) == infinity | 1 << 31)
    #expect(reciprocal(infinity) == 0)
    #expect(reciprocal(0x7f80_0001) == 0x7fc0_0001)
    #expect(reciprocal(0x7f7f_ffff) == 0)
    #expect(reciprocalRoot(0x8000_0000) == infinity | 1 << 31)
    #expect(reciprocalRoot(0xbf80_0000) == 0xffc0_0000)
    #expect(reciprocalRoot(infinity) == 0)
  }

  /// Measured on the two makers' CPUs.
  @Test func `values of each maker's`() {
    #expect(Approximation.reciprocal(0x3f80_0000, coarse: true) == 0x3f7f_f000)
    #expect(Approximation.reciprocal(0x3f80_1000, coarse: true) == 0x3f7f_d000)
    #expect(Approximation.reciprocal(0x7e7f_ffff, coarse: true) == 0x0080_0800)
    #expect(Approximation.reciprocal(0x7e80_0000, coarse: true) == 0)
    #expect(Approximation.reciprocalRoot(0x3f80_0000, coarse: true) == 0x3f7f_f000)
    #expect(Approximation.reciprocalRoot(0x4000_0000, coarse: true) == 0x3f34_f800)
  }
}
