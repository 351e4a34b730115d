internal import NativeOracle
internal import Support
import Testing

@testable internal import X86

/// Every x87 encoding from random states, against the host.
@Suite("x87 instructions", .enabled(if: native_available() != 0, "needs an x86-64 host"))
struct X87InstructionTests {
  /// Transcendentals have a test of their own; FNSAVE, FNSTENV, FLDENV and FRSTOR hold places that differ.
  private static func isLeftOut(_ opcode: UInt8, _ modRM: UInt8) -> Bool {
    if opcode == 0xd9 && modRM >= 0xc0 { return [0xf0, 0xf1, 0xf2, 0xf3, 0xf9, 0xfb, 0xfe, 0xff].contains(modRM) }
    let row = modRM >> 3 & 7
    return modRM < 0xc0 && ((opcode == 0xd9 && (row == 4 || row == 6)) || (opcode == 0xdd && (row == 4 || row == 6)))
  }

  @Test(arguments: UInt8(0xd8)...0xdf)
  func `every encoding does what the host does`(opcode: UInt8) throws {
    let twin = try Twin()
    var source = SeededRandom(seed: UInt64(opcode) << 32 + testSeed)
    var failures = 0
    for modRM in (UInt8(0)...7).map({ $0 << 3 | 3 }) + Array(UInt8(0xc0)...0xff) where !Self.isLeftOut(opcode, modRM) {
      for _ in 0..<testRounds(40) {
        let state = NativeState.random(&source)
        var memory = [UInt8](repeating: 0xa5, count: 16)
        fill(&memory, opcode, &source)
        let native = twin.native([opcode, modRM], state, memory)
        let software = twin.software([opcode, modRM], state, memory)
        let differences = native.differences(software)
        if !differences.isEmpty {
          failures += 1
          if failures < 12 {
            Issue.record("\(hex(opcode)) \(hex(modRM)): \(differences) from \(describe(state)) \(memory)")
          }
        }
      }
    }
    #expect(failures == 0)
  }

  private func fill(_ memory: inout [UInt8], _ opcode: UInt8, _ source: inout SeededRandom) {
    let value = source.extended()
    var words = [value.significand, UInt64(value.signExponent)]
    if source.oneIn(2) {
      let format = opcode & 4 == 0 ? FloatingPointFormat.single : .double
      words[0] = source.bits(format)
    }
    for index in 0..<10 { memory[index] = UInt8(truncatingIfNeeded: words[index / 8] >> UInt64(8 * (index & 7))) }
  }

  private func describe(_ state: NativeState) -> String {
    let registers = (0..<8).map {
      hex(Extended(significand: state.field(32 + 16 * $0), signExponent: state.field(40 + 16 * $0)))
    }
    return
      "\(state.x87Words) \(registers)"
  }
}
