internal import NativeOracle
internal import Support
import Testing

@testable internal import X86

/// FSIN … FYL2XP1 against the host's, which itself may be off in the last place.
@Suite("Transcendental functions", .enabled(if: native_available() != 0, "needs an x86-64 host"))
struct TranscendentalTests {
  struct Function: Sendable, CustomTestStringConvertible {
    var name: String
    /// D9 and this.
    var code: UInt8
    /// Operands that the instruction is defined for.
    var isDefined: @Sendable (Extended, Extended) -> Bool
    var testDescription: String { name }
  }

  static let functions = [
    Function(name: "f2xm1", code: 0xf0) { a, _ in a.unpacked.kind != .finite || a.exponentField < 0x3fff },
    Function(name: "fyl2x", code: 0xf1) { _, _ in true },
    Function(name: "fptan", code: 0xf2) { _, _ in true },
    Function(name: "fpatan", code: 0xf3) { _, _ in true },
    Function(name: "fyl2xp1", code: 0xf9) { a, _ in a.unpacked.kind != .finite || a.exponentField < 0x3ffd },
    Function(name: "fsincos", code: 0xfb) { _, _ in true },
    Function(name: "fsin", code: 0xfe) { _, _ in true },
    Function(name: "fcos", code: 0xff) { _, _ in true },
  ]

  @Test(arguments: functions)
  func `results are within one place of the host's`(function: Function) throws {
    let twin = try Twin()
    var source = SeededRandom(seed: UInt64(function.code) + testSeed)
    var failures = 0
    for _ in 0..<testRounds(1_000) {
      var state = NativeState.random(&source)
      if source.oneIn(2) { state.centreOperands(&source) }
      let operands = (0..<2).map {
        Extended(significand: state.field(32 + 16 * $0), signExponent: state.field(40 + 16 * $0))
      }
      guard function.isDefined(operands[0], operands[1]) else { continue }
      let native = twin.native([0xd9, function.code], state, [])
      var software = twin.software([0xd9, function.code], state, [])
      for position in 0..<2 { software.state.forgiveLastPlace(position, native.state) }
      // C1, and precision with underflow at the very edge, are the host's own affair.
      let differences = native.differences(software, status: 0xfdff)
      if !differences.isEmpty {
        failures += 1
        if failures < 10 {
          Issue.record(
            "\(function.name) \(operands.map { hex($0) }) \(state.x87Words): \(differences)"
          )
        }
      }
    }
    #expect(failures == 0)
  }
}

extension NativeState {
  /// Operands around one, where the functions do something.
  fileprivate mutating func centreOperands(_ source: inout SeededRandom) {
    setField(0, UInt16(0x37f) | UInt16(source.below(4)) << 10)
    setField(4, UInt8(0x3f) << UInt8(truncatingIfNeeded: 0) | 0xff)
    let top = Int(field(2, as: UInt16.self) >> 11 & 7)
    // The register before TOP is free, for those that push.
    setField(4, ~(UInt8(1) << UInt8((top + 7) & 7)))
    for position in 0..<2 {
      let exponent = UInt16(0x3fff - 12 + source.below(16))
      setField(32 + 16 * position, source.next() | 1 << 63)
      setField(40 + 16 * position, exponent | (source.oneIn(2) ? 0x8000 : 0))
    }
  }

  /// Takes over the other's register where it differs by one unit of the last place, and at the edge of the normal
  /// range the underflow with it.
  mutating func forgiveLastPlace(_ position: Int, _ other: NativeState) {
    let at = 32 + 16 * position
    let mine = Extended(significand: field(at), signExponent: field(at + 8))
    let theirs = Extended(significand: other.field(at), signExponent: other.field(at + 8))
    let distance = mine.linear - theirs.linear
    guard mine.sign == theirs.sign, distance.magnitude <= 1 else { return }
    setField(at, theirs.significand)
    setField(at + 8, theirs.signExponent)
    guard (mine.exponentField == 0) != (theirs.exponentField == 0) else { return }
    // UE; ES and B, which follow from it.
    let (status, other): (UInt16, UInt16) = (field(2), other.field(2))
    setField(2, status & ~0x8090 | other & 0x8090)
  }
}

extension Extended {
  /// The magnitude as an integer in which neighbours differ by one.
  fileprivate var linear: Int128 { Int128(exponentField) << 63 + Int128(significand & ~(1 << 63)) }
}
