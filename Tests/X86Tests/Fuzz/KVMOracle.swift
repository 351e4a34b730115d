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
    engine = try KVMEngine(memory: machine.memory, cpuModel: mode.isKernel ? machine.core.model : .softwareDefault)
  }

  /// Where a KVM that emulates differs from the processors: what is left out of the comparison, and why.
  static func difference(_ form: InstructionForm, _ mode: FuzzMode) -> String? {
    if mode.isKernel, let reason = differenceInKernel(form, mode) { return reason }
    switch form.handler {
    case .movbeLoad, .movbeStore: return "MOVBE is #UD"
    case .lzcnt, .tzcnt: return "LZCNT and TZCNT are BSR and BSF"
    case .aam, .aad, .das: return "the undefined flags of AAM, AAD and DAS"
    case .x87 where form.isEnvironment: return "the pointers of the last x87 instruction, which do not go in and out"
    case .popAll: return "POPA that faults half way leaves all registers as they were"
    case .enter where form.size == 4: return "ENTER pushes as much as the stack is wide"
    case .ins: return "INS reads ahead"
    case .movRMReg where form.map == 1: return "MOVNTI with F2 or F3 is not #UD"
    case .vector where form.map == 1 && form.prefix == nil && (form.opcode == 0x6f || form.opcode == 0x7f):
      return "MOVQ with an MMX register leaves the x87's state alone"
    case .vector where form.isStateTransfer: return "FXSAVE and FXRSTOR know no more than the host's registers"
    default: break
    }
    switch form.systemOperation {
    case .movToSegment:
      guard [.row(1), .row(6), .row(7)].contains(form.modRM) else { return nil }
      return "MOV to CS, or to a segment register that does not exist, is #UD after its operand"
    case .pushSegment where form.size == 4: return "PUSH of a segment register writes 16 bits, as on Intel's processors"
    case .movToDR where OracleProfile.hasRTM: return "DR6.RTM can be written where the host has RTM"
    case .int3, .intN, .into: return "INT pushes words of the operand size"
    case .jmpFarIndirect, .callFarIndirect, .jmpFar, .callFar, .retFar, .iret:
      return form.size == 4 ? "far transfers do not look at the limit" : nil
    default: return nil
    }
  }

  /// The same for code at CPL 0 alone.
  private static func differenceInKernel(_ form: InstructionForm, _ mode: FuzzMode) -> String? {
    if form.handler == .enter { return "ENTER pushes as much as the stack is wide" }
    if form.handler == .cmpxchg && !form.isMemory { return "CMPXCHG clears the upper half of a register that it keeps" }
    if mode.is64 && form.size == 4 && [.bsf, .bsr].contains(form.handler) {
      return "BSF and BSR of zero clear the upper half of a register that they keep"
    }
    switch form.systemOperation {
    case .movFromSegment where form.isMemory, .sldt where form.isMemory, .str where form.isMemory:
      return mode.is64 ? "selectors are stored as wide as REX.W says" : nil
    case .sysexit where mode.is64: return "SYSEXIT is there in long mode, as on Intel's processors"
    case .sysret: return "SYSRET leads to 64-bit code, and loses NT"
    case .iret where mode.is64 && form.size == 2: return "IRET of 16 bits is #GP in 64-bit code"
    case .ltr: return "LTR from the local table is #GP(0)"
    default: return nil
    }
  }

  /// Programs that were not compared, by the reason.
  private(set) var leftOut: [String: Int] = [:]

  /// False, and noted, for programs with forms that KVM is known to get wrong.
  func isComparable(_ program: FuzzProgram, _ forms: [InstructionForm]) -> Bool {
    guard let reason = program.forms.lazy.compactMap({ Self.difference(forms[$0], self.machine.mode) }).first
    else { return !isPartial(program, forms) }
    leftOut[reason, default: 0] += 1
    return false
  }

  /// Noted: what KVM has otherwise in the end of a program.
  private func isPartial(_ program: FuzzProgram, _ forms: [InstructionForm]) -> Bool {
    guard machine.mode.isKernel, let form = program.forms.last.map({ forms[$0] }), let vector = program.end.vector
    else { return false }
    let reason: String
    if vector >= ExceptionVector.generalProtection && [.movs, .stos, .ins, .outs, .lods].contains(form.handler) {
      reason = "strings do what they can of an operand that faults"
    } else if vector >= ExceptionVector.stackFault && [.cmps, .scas].contains(form.handler) {
      // Intel SDM vol. 2, REP; AMD's processors leave the flags of the last comparison.
      reason = "CMPS and SCAS that fault leave the flags as they were before all iterations"
    } else if vector == ExceptionVector.generalProtection && form.systemOperation == .iret {
      reason = "IRET takes for SS what is no stack"
    } else if machine.mode == .kernel32 && program.after.ss == UInt64(KernelSegment.limited32) {
      reason = "frames on a stack whose segment has a base"
    } else {
      return false
    }
    leftOut[reason, default: 0] += 1
    return true
  }

  /// Noted: KVM goes on where the program faulted here, or the other way round.
  func isKnown(_ end: FuzzEnd, _ program: FuzzProgram, _ forms: [InstructionForm]) -> Bool {
    if refusesLocalStack(end, program, forms) { return true }
    guard machine.mode == .kernel64, program.end.vector == ExceptionVector.invalidOpcode, end == .arrived,
      let operation = program.forms.last.flatMap({ forms[$0].systemOperation }),
      [.rdfsbase, .rdgsbase, .wrfsbase, .wrgsbase].contains(operation),
      program.systemAfter.contains(where: { $0.name == "cr4" && $0.value & CR4.fsgsbase == 0 })
    else { return false }
    leftOut["RDFSBASE and its kin do not need CR4.FSGSBASE", default: 0] += 1
    return true
  }

  /// Seen where KVM emulates kernel mode: IRET refuses, seldom, a stack whose descriptor is in the local table; here
  /// the program goes on.
  private func refusesLocalStack(_ end: FuzzEnd, _ program: FuzzProgram, _ forms: [InstructionForm]) -> Bool {
    let stack = program.after.ss
    let refusal = FuzzEvent(vector: ExceptionVector.generalProtection, errorCode: UInt32(stack & 0xfffc))
    guard machine.mode == .kernel64, end == .event(refusal), stack & 4 != 0,
      program.forms.contains(where: { forms[$0].systemOperation == .iret })
    else { return false }
    leftOut["IRET refuses a stack of the local table", default: 0] += 1
    return true
  }

  /// Operands, with the mark that IRET does not set in the descriptor of the stack: that it has been accessed.
  func leveled(_ operands: [UInt8], _ program: FuzzProgram, _ forms: [InstructionForm]) -> [UInt8] {
    guard machine.mode == .kernel64, program.forms.contains(where: { forms[$0].systemOperation == .iret })
    else { return operands }
    var operands = operands
    for at in stride(from: machine.mode.window.count + 5, to: operands.count, by: 8) {
      operands[at] |= program.memoryAfter[at] & 1
    }
    return operands
  }

  /// Noted: KVM gives up where a string leaves the memory.
  func isStringBeyondMemory(_ program: FuzzProgram, _ forms: [InstructionForm]) -> Bool {
    guard let form = program.forms.last.map({ forms[$0] }), [.lods, .outs, .scas, .cmps].contains(form.handler)
    else { return false }
    leftOut["strings that leave the memory", default: 0] += 1
    return true
  }

  /// What KVM did not emulate, and what was not compared.
  var report: String {
    let count = replaced.values.reduce(0, +)
    let reasons = leftOut.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    return "not emulated by KVM, and so executed by the software CPU there too: \(count) instructions, "
      + "\(replaced.count) kinds\nprograms not compared with KVM: " + reasons.joined(separator: "; ")
  }

  /// Where a program ended, in what state, with which operands.
  struct Outcome {
    var end: FuzzEnd
    var state: NativeState
    var operands: [UInt8]
    var system: [(name: String, value: UInt64)]
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
    return Outcome(end: end, state: state, operands: machine.operands(), system: machine.system())
  }

  /// Nanoseconds after which a program that KVM runs has hung: many times what a busy machine needs.
  private static let patience: UInt64 = 60_000_000_000

  /// Runs to a HLT; false when the program ends in another way, or not at all.
  private func finish() throws -> Bool {
    try engine.setDeadline(monotonicTime() + Self.patience)
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
    let prefixes: Set<UInt8> = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]
    let start = bytes.drop { prefixes.contains($0) }
    let opcode = start.prefix(start.first == 0x0f ? 2 : 1)
    replaced[opcode.map { String($0, radix: 16) }.joined(separator: " "), default: 0] += 1
  }
}

/// CLOCK_MONOTONIC in nanoseconds.
private func monotonicTime() -> UInt64 {
  var time = timespec()
  unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
