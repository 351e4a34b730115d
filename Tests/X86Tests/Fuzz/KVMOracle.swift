internal import Glibc
internal import KVM
internal import NativeOracle
internal import VMMCore

@testable internal import X86

/// KVM as an oracle for what no process can execute: the machine of a program, with KVM as its CPU. What KVM does not
/// emulate the software CPU executes in its place, one instruction at a time.
final class KVMOracle {
  private let machine: FuzzMachine
  private let engine: KVMEngine
  /// Instructions that the software CPU executed, by their opcode bytes behind the prefixes.
  private(set) var replaced: [String: Int] = [:]

  /// Throws where there is no KVM.
  init(_ mode: FuzzMode) throws {
    machine = try FuzzMachine(mode)
    engine = try KVMEngine(memory: machine.memory, cpuModel: .softwareDefault)
  }

  /// What KVM did not emulate.
  var report: String {
    let list = replaced.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    return "not emulated by KVM, by opcode: " + list.joined(separator: ", ")
  }

  /// Where a program ended, in what state, with which operands.
  struct Outcome {
    var end: FuzzEnd
    var state: NativeState
    var operands: [UInt8]
  }

  func run(_ program: FuzzProgram) throws -> Outcome {
    machine.load(program.start, memory: program.memory)
    machine.place(program.code + machine.closing, at: 0)
    try engine.setState(machine.cpu.state)
    let halts = try finish()
    machine.cpu.load(try engine.state())
    let end = halts ? machine.closeRun(program.code.count) : .stuck
    var state = program.start
    machine.store(to: &state)
    return Outcome(end: end, state: state, operands: machine.operands())
  }

  /// Runs to a HLT; false when the program ends in another way, or not within a second.
  private func finish() throws -> Bool {
    try engine.setDeadline(monotonicTime() + 1_000_000_000)
    for _ in 0..<2000 {
      let exit = try engine.run(.free)
      switch exit {
      case .halt: return true
      case .portRead: engine.reply(FuzzMachine.portValue)
      case .portWrite: break
      case .notEmulated(let bytes):
        note(bytes)
        guard try replace() else { return false }
      default: return false
      }
    }
    return false
  }

  /// The software CPU executes the instruction; false when it cannot either.
  private func replace() throws -> Bool {
    let cpu = machine.cpu
    cpu.load(try engine.state())
    guard cpu.step() == nil, cpu.settleEvents() == nil else { return false }
    try engine.setState(cpu.state)
    return true
  }

  private func note(_ bytes: [UInt8]) {
    let prefixes: Set<UInt8> = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67, 0xf0]
    let opcode = bytes.drop { prefixes.contains($0) }.prefix(3)
    replaced[opcode.map { String($0, radix: 16) }.joined(separator: " "), default: 0] += 1
  }
}

/// CLOCK_MONOTONIC in nanoseconds.
private func monotonicTime() -> UInt64 {
  var time = timespec()
  unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
