import Testing
import VMMCore

@testable import Trace

/// The bytes of every record, written down from FORMAT.md: traces that exist stay readable.
@Suite struct RecordBytesTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var event: TraceEvent
    var bytes: [UInt8]
    var testDescription: String { event.description }

    init(_ event: TraceEvent, _ bytes: [UInt8]) {
      self.event = event
      self.bytes = bytes
    }
  }

  static let print = Fingerprint(rip: 1, cpu: 2, memory: 3)
  /// Register 15 alone is not 0.
  private static let registers = SIMD16<UInt64>((0..<16).map { $0 == 15 ? 5 : 0 })
  private static let rest = [UInt8](repeating: 0, count: 15 * 8) + [5, 0, 0, 0, 0, 0, 0, 0]
  private static func timed(_ word: MemoryWord?) -> Fingerprint {
    Fingerprint(rip: 1, cpu: 2, memory: 3, registers: registers, time: 200, word: word)
  }
  static let printBytes: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]

  static let cases: [Case] = [
    Case(.interaction(.portRead(port: 0x3fd, size: 1), .value(0x60)), [1, 0, 0x11, 0xfd, 7, 0x60]),
    Case(.interaction(.portWrite(port: 0x20, size: 4, value: 0x0102_0304), .none), [1, 0, 0x24, 0x20, 4, 3, 2, 1]),
    Case(
      .interaction(.mmioRead(address: .init(0x80), size: 3), .value(0xaabbcc)),
      [1, 0, 0x33, 0x80, 1, 0xcc, 0xbb, 0xaa]),
    Case(.interaction(.mmioWrite(address: .init(5), size: 2, value: 0x1234), .none), [1, 0, 0x42, 5, 0x34, 0x12]),
    Case(.interaction(.msrRead(index: 0x10), .value(1 << 56)), [1, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0, 0, 1]),
    Case(.interaction(.msrWrite(index: 0x10, value: 2), .none), [1, 0, 0x60, 0x10, 2, 0, 0, 0, 0, 0, 0, 0]),
    Case(.interaction(.timestampRead, .value(3)), [1, 0, 0x70, 6]),
    Case(.interaction(.timestampRead, .value(.max)), [1, 0, 0x70, 1]),
    Case(.interaction(.randomRead, .value(4)), [1, 0, 0x80, 4, 0, 0, 0, 0, 0, 0, 0]),
    Case(.interaction(.halt, .none), [1, 0, 0x90]),
    Case(.interaction(.msrRead(index: 0x10), .fault), [1, 0, 0xa0, 0x10]),
    Case(.interaction(.msrWrite(index: 0x10, value: 2), .fault), [1, 0, 0xb0, 0x10, 2, 0, 0, 0, 0, 0, 0, 0]),
    Case(.delivery(.interrupt(vector: 0x30), at: .here), [0x10, 0x30]),
    Case(.delivery(.interrupt(vector: 0x30), at: .instructions(200, iterations: 0)), [0x11, 0xc8, 1, 0x30]),
    Case(.delivery(.interrupt(vector: 0x30), at: .instructions(0, iterations: 7)), [0x12, 0, 7, 0x30]),
    Case(.delivery(.interrupt(vector: 0x30), at: .fingerprint(print)), [0x13] + printBytes + [0x30]),
    Case(
      .delivery(.nmi, at: .fingerprint(Fingerprint(rip: 1, cpu: 2, memory: 3, registers: registers))),
      [0x44] + printBytes + rest),
    Case(
      .delivery(.interrupt(vector: 0x30), at: .fingerprint(timed(nil))),
      [0x50] + printBytes + rest + [0xc8, 1, 0, 0x30]),
    Case(
      .delivery(.nmi, at: .fingerprint(timed(MemoryWord(address: .init(0x80), value: 4)))),
      [0x54] + printBytes + rest + [0xc8, 1, 1, 0x80, 1, 4, 0, 0, 0, 0, 0, 0, 0]),
    Case(.delivery(.nmi, at: .here), [0x14]),
    Case(.delivery(.nmi, at: .fingerprint(print)), [0x17] + printBytes),
    Case(.delivery(.memoryWrite(address: .init(0x80), bytes: [9, 8]), at: .here), [0x18, 0x80, 1, 2, 9, 8]),
    Case(.mark(Mark(at: .here, instructions: 200)), [0x1c, 0xc8, 1]),
    Case(.mark(Mark(at: .instructions(200, iterations: 7), instructions: 0)), [0x1e, 0xc8, 1, 7, 0]),
    Case(
      .mark(Mark(at: .fingerprint(timed(nil)), instructions: 0)), [0x5c] + printBytes + rest + [0xc8, 1, 0, 0]),
    Case(.digest(StateDigest(cpu: 1, memory: 2, output: 3, instructions: 128)), [0x20] + printBytes + [0x80, 1]),
    Case(.end(.powerOff), [0x21, 0]), Case(.end(.reset), [0x21, 1]), Case(.end(.haltedForGood), [0x21, 2]),
    Case(.end(.shutdown), [0x21, 3]), Case(.end(.debugExit(value: 5)), [0x21, 4, 5, 0, 0, 0]),
    Case(.end(.timeout), [0x21, 5]), Case(.end(.interrupted), [0x21, 6]),
    Case(.end(.engineStopped("no")), [0x21, 7, 2, 0x6e, 0x6f]),
  ]

  @Test(arguments: cases)
  func recordIsRead(_ example: Case) throws {
    var decoder = EventDecoder(example.bytes)
    #expect(try decoder.next() == example.event)
    #expect(decoder.isAtEnd)
    for length in 0..<example.bytes.count {
      var short = EventDecoder([UInt8](example.bytes.prefix(length)))
      #expect(throws: DecodingError.self) { _ = try short.next() }
    }
  }

  /// Which slot a writer takes is its own business; all else follows from the document.
  @Test(arguments: cases)
  func recordIsWritten(_ example: Case) {
    var encoder = EventEncoder()
    let isAccepted = encoder.append(example.event)
    var written = encoder.out.bytes
    if written.first == Opcode.define { written[1] = 0 }
    #expect(isAccepted)
    #expect(written == example.bytes)
  }

  @Test func definedShapesTakeOneByte() throws {
    var decoder = EventDecoder([1, 5, 0x90, 0x85, 1, 5, 0x11, 2, 0x60, 0x85, 0x61])
    #expect(try decoder.next() == .interaction(.halt, .none))
    #expect(try decoder.next() == .interaction(.halt, .none))
    #expect(try decoder.next() == .interaction(.portRead(port: 2, size: 1), .value(0x60)))
    #expect(try decoder.next() == .interaction(.portRead(port: 2, size: 1), .value(0x61)))
    #expect(decoder.isAtEnd)
  }

  @Test(
    arguments: [
      [0x00], [0x02], [0x1c], [0x23], [0x7f], [0x80], [1, 128, 0x90], [1, 0, 0], [1, 0, 0x13, 1, 0], [1, 0, 0x91],
      [1, 0, 0x39, 0, 0], [1, 0, 0xc0], [1, 0, 0x11, 0x80, 0x80, 4, 0], [0x21, 8], [0x18, 0, 2, 1],
      [0x54] + printBytes + rest + [0, 2] + [UInt8](repeating: 0, count: 9), [0x60],
      [0x54] + printBytes + rest + [0, 1, 0x84, 1] + [UInt8](repeating: 0, count: 8),
      [0x11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0],
    ] as [[UInt8]])
  func nonsenseIsRefused(bytes: [UInt8]) {
    var decoder = EventDecoder(bytes)
    #expect(throws: DecodingError.self) { _ = try decoder.next() }
  }
}
