internal import NativeOracle
internal import Support
import Testing

@testable internal import X86

/// FXSAVE, FNSAVE, XSAVE and their kin against the host. Where the last instruction was is left out: it is the host
/// process's own.
@Suite("Saving and restoring", .enabled(if: native_available() != 0, "needs an x86-64 host"))
struct StateTransferTests {
  struct Instruction: Sendable, CustomTestStringConvertible {
    var name: String
    var code: [UInt8]
    /// Bytes of the area that are not compared.
    var ignored: [Range<Int>] = []
    var testDescription: String { name }
  }

  static let pointers = [6..<24, 28..<32]
  static let saves = [
    Instruction(name: "fxsave", code: [0x0f, 0xae, 0x03], ignored: pointers),
    Instruction(name: "fxsave64", code: [0x48, 0x0f, 0xae, 0x03], ignored: pointers),
    Instruction(name: "xsave", code: [0x0f, 0xae, 0x23], ignored: pointers),
    Instruction(name: "fnsave", code: [0xdd, 0x33], ignored: [12..<28]),
    Instruction(name: "fnsave 16", code: [0x66, 0xdd, 0x33], ignored: [6..<14]),
    Instruction(name: "fnstenv", code: [0xd9, 0x33], ignored: [12..<28]),
    Instruction(name: "fnstenv 16", code: [0x66, 0xd9, 0x33], ignored: [6..<14]),
    Instruction(name: "stmxcsr", code: [0x0f, 0xae, 0x1b]),
    Instruction(name: "fnstcw", code: [0xd9, 0x3b]),
    Instruction(name: "fnstsw", code: [0xdd, 0x3b]),
    Instruction(name: "fnstsw ax", code: [0xdf, 0xe0]),
    Instruction(name: "fnclex", code: [0xdb, 0xe2]),
    Instruction(name: "fninit", code: [0xdb, 0xe3]),
    Instruction(name: "fxsave, not aligned", code: [0x0f, 0xae, 0x43, 0x08]),
    Instruction(name: "xsave, not aligned", code: [0x0f, 0xae, 0x63, 0x10]),
  ]

  static let restores = [
    Instruction(name: "fxrstor", code: [0x0f, 0xae, 0x0b]),
    Instruction(name: "fxrstor64", code: [0x48, 0x0f, 0xae, 0x0b]),
    Instruction(name: "xrstor", code: [0x0f, 0xae, 0x2b]),
    Instruction(name: "frstor", code: [0xdd, 0x23]),
    Instruction(name: "frstor 16", code: [0x66, 0xdd, 0x23]),
    Instruction(name: "fldenv", code: [0xd9, 0x23]),
    Instruction(name: "fldenv 16", code: [0x66, 0xd9, 0x23]),
    Instruction(name: "ldmxcsr", code: [0x0f, 0xae, 0x53, 0x18]),
    Instruction(name: "fldcw", code: [0xd9, 0x2b]),
    Instruction(name: "fxrstor, not aligned", code: [0x0f, 0xae, 0x4b, 0x08]),
  ]

  @Test(arguments: saves + restores)
  func `areas and registers are the host's`(instruction: Instruction) throws {
    let twin = try Twin()
    var source = SeededRandom(seed: testSeed)
    for _ in 0..<testRounds(200) {
      var state = NativeState.random(&source)
      // x87 and SSE are what XSAVE and XRSTOR are asked for.
      state.gpr.0 = 1 + UInt64(source.below(3))
      state.gpr.2 = 0
      let memory = area(&source)
      var native = twin.native(instruction.code, state, memory)
      var software = twin.software(instruction.code, state, memory)
      for range in instruction.ignored {
        for index in range { (native.memory[index], software.memory[index]) = (0, 0) }
      }
      let differences = native.differences(software)
      #expect(differences.isEmpty, "\(instruction.name), \(state.x87Words)")
      if !differences.isEmpty { break }
    }
  }

  /// 640 bytes that most of the restoring instructions accept.
  private func area(_ source: inout SeededRandom) -> [UInt8] {
    var memory: [UInt8] = (0..<640).map { _ in UInt8(truncatingIfNeeded: source.next()) }
    func set(_ offset: Int, _ word: UInt32) {
      for index in 0..<4 { memory[offset + index] = UInt8(truncatingIfNeeded: word >> UInt32(8 * index)) }
    }
    set(24, SSEControl(from: &source).word)
    if source.oneIn(8) { set(24, 0x10000) }
    for index in 512..<576 { memory[index] = 0 }
    memory[512] = UInt8(source.below(4))
    if source.oneIn(10) { memory[520 + source.below(16)] = 1 }
    return memory
  }
}
