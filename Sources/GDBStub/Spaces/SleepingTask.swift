internal import VMMCore

/// A task that does not run, as a client sees it instead of the machine: the registers that the kernel saved when it
/// changed to another task, and the task's address space. So the client's own unwinder, and all that it does with
/// frames, goes for every task. Nothing of it can be changed.
struct SleepingTask {
  var state: CPUState
  var space: AddressSpace? { AddressSpace(state) }

  /// - Parameters:
  ///   - words: `REGISTER=VALUE` in hexadecimal: rip and rsp, and of rbp, rbx, r12 … r15 and cr3 those that are known.
  ///   - machine: what has all other registers.
  init?(_ words: [String], in machine: CPUState) {
    state = machine
    var seen: Set<Substring> = []
    for word in words {
      let parts = word.split(separator: "=", omittingEmptySubsequences: false)
      guard parts.count == 2, parts[1].hasPrefix("0x"), let value = UInt64(parts[1].dropFirst(2), radix: 16),
        seen.insert(parts[0]).inserted, set(parts[0], value)
      else { return nil }
    }
    guard seen.isSuperset(of: ["rip", "rsp"]) else { return nil }
    becomeKernel()
  }

  private mutating func set(_ register: Substring, _ value: UInt64) -> Bool {
    switch register {
    case "rip": state.rip = value
    case "cr3": state.cr3 = value
    default:
      guard let number = SleepingTask.general.firstIndex(of: String(register)) else { return false }
      state.gpr[number] = value
    }
    return true
  }

  private static let general =
    ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"] + (8...15).map { "r\($0)" }

  /// It stands in the kernel, whatever mode the machine is in.
  private mutating func becomeKernel() {
    let levels: UInt32 = 3 << 5
    state.cs.selector &= ~3
    state.cs.attributes &= ~levels
    state.ss.selector &= ~3
    state.ss.attributes &= ~levels
    state.halted = false
    state.pendingEvent = nil
  }
}

extension TargetError {
  static let sleeping = TargetError(
    "a task that does not run is shown: nothing can be changed (`task` alone goes back)")
}

extension Session {
  /// The registers that the client sees.
  func shownState() throws(TargetError) -> CPUState {
    if let sleeping { return sleeping.state }
    return try target.registers()
  }

  func expectOwnRegisters() throws(PacketError) {
    guard sleeping == nil else {
      throw .refused(TargetError.sleeping.description)
    }
  }

  /// `monitor task [REGISTER=VALUE...]`
  func monitorTask(_ arguments: [String]) throws(PacketError) -> String {
    sleeping = nil
    guard !arguments.isEmpty else { return "" }
    let state = try registerSource().state
    guard state.is64Bit else { throw .refused("tasks can be seen from 64-bit code only: step, or seek, there first") }
    guard let task = SleepingTask(arguments, in: state) else { throw .malformed }
    sleeping = task
    return ""
  }
}
