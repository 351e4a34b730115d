import Foundation
import NativeOracle
import Testing

@testable import X86

/// Random integer instructions, executed by the software CPU and by the host's.
///
/// CHRONOVISOR_FUZZ_COUNT and CHRONOVISOR_FUZZ_SEED make longer or other runs.
@Suite("Integer instructions against the host's CPU", .enabled(if: native_available() != 0, "needs an x86-64 host"))
struct IntegerFuzzTests {
  private static func number(_ name: String, _ standard: Int) -> Int {
    ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? standard
  }

  @Test(arguments: [false, true])
  func randomCodeEndsAlike(viaBlocks: Bool) throws {
    let seed = UInt64(IntegerFuzzTests.number("CHRONOVISOR_FUZZ_SEED", 1))
    let count = IntegerFuzzTests.number("CHRONOVISOR_FUZZ_COUNT", 3_000)
    var generator = Generator(seed: seed)
    let machine = try UserMachine()
    var failures = 0
    for _ in 0..<count where failures < 40 {
      let made = generator.makeCase()
      if let difference = compare(made, machine, viaBlocks) {
        failures += 1
        Issue.record("\(difference)")
      }
    }
  }

  /// What differs after both have run the case; nil when nothing does.
  private func compare(_ made: FuzzCase, _ machine: UserMachine, _ viaBlocks: Bool) -> String? {
    var native = made.state
    var nativeMemory = made.memory
    let nativeVector = native.run(made.code, memory: &nativeMemory)
    // Code that moved the stack pointer into the code page has read or changed itself, and what lies behind it.
    guard native.gpr.4 &- UInt64(NATIVE_MEMORY_ADDRESS) <= UInt64(NATIVE_MEMORY_SIZE) else { return nil }
    var ours = made.state
    var ourMemory = made.memory
    let ourVector = machine.run(made.code, &ours, memory: &ourMemory, viaBlocks: viaBlocks)
    var notes: [String] = []
    if ourVector != nativeVector { notes.append("vector \(show(nativeVector)) ours \(show(ourVector))") }
    if native.rip != ours.rip { notes.append("rip \(native.rip) ours \(ours.rip)") }
    let mask = 0xcd5 & ~made.undefined
    if (native.rflags ^ ours.rflags) & mask != 0 {
      notes.append("flags \(hex(native.rflags & 0xcd5)) ours \(hex(ours.rflags & 0xcd5))")
    }
    for index in 0..<16 where gpr(native, index) != gpr(ours, index) {
      notes.append("r\(index) \(hex(gpr(native, index))) ours \(hex(gpr(ours, index)))")
    }
    if nativeMemory != ourMemory { notes.append("memory") }
    if nativeVector == 14 && native.cr2 != ours.cr2 { notes.append("cr2 \(hex(native.cr2)) ours \(hex(ours.cr2))") }
    guard !notes.isEmpty else { return nil }
    let code = made.code.map { String($0, radix: 16) }.joined(separator: " ")
    let start = (0..<16).map { hex(gpr(made.state, $0)) }.joined(separator: " ")
    return "\(made.names.joined(separator: "; ")) [\(code)]: \(notes.joined(separator: ", ")) "
      + "from \(start) flags \(hex(made.state.rflags & 0xcd5))"
  }

  private func gpr(_ state: NativeState, _ index: Int) -> UInt64 {
    unsafe withUnsafeBytes(of: state.gpr) { unsafe $0.load(fromByteOffset: index * 8, as: UInt64.self) }
  }

  private func show(_ vector: Int?) -> String { vector.map { String($0) } ?? "none" }
  private func hex(_ value: UInt64) -> String { String(value, radix: 16) }
}
