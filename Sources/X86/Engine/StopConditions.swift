internal import GuestMemory
internal import VMMCore

/// The conditions of one vCPU's breakpoints, asked where a run comes to them.
final class StopConditions {
  private final class Stop {
    let conditions: [StopCondition]
    var isRefused = false
    init(_ conditions: [StopCondition]) { self.conditions = conditions }
  }

  private let viewed: ViewedCPU
  private var machine: AgentMachine
  private var stops: [UInt64: Stop] = [:]
  private var refused: [UInt64] = []
  /// The one that was come to last.
  private var last: (address: UInt64, stop: Stop)?

  init(cpu: CPU, memory: GuestMemory) {
    viewed = ViewedCPU(cpu: cpu, memory: memory)
    machine = AgentMachine(in: viewed)
  }

  /// By linear address: one of its conditions must hold. What was refused before stays known.
  func set(_ conditions: [UInt64: [StopCondition]]) {
    stops = conditions.mapValues { Stop($0) }
    for address in refused { stops[address]?.isRefused = true }
    last = nil
  }

  /// Where stops were refused since the last call.
  func takeRefused() -> [UInt64] {
    for address in refused { stops[address]?.isRefused = false }
    defer { refused = [] }
    return refused
  }

  /// The next instruction is the one at this linear address, and no stop is wanted before it.
  func refuses(_ linear: UInt64) -> Bool {
    if last?.address != linear { last = stops[linear].map { (linear, $0) } }
    guard let stop = last?.stop else { return false }
    viewed.linearRIP = linear
    for condition in stop.conditions where holds(condition) { return false }
    if !stop.isRefused {
      stop.isRefused = true
      refused.append(linear)
    }
    return true
  }

  private func holds(_ condition: StopCondition) -> Bool {
    if let space = condition.space, !viewed.cpu.isIn(space, viewed.linearRIP) { return false }
    guard !condition.programs.isEmpty else { return true }
    viewed.registers = condition.registers
    for program in condition.programs {
      guard let value = try? machine.evaluate(program) else { return true }
      if value != 0 { return true }
    }
    return false
  }
}

/// What a condition sees of the CPU, without a copy of its state.
private final class ViewedCPU: AgentEnvironment {
  let cpu: CPU
  private let memory: GuestMemory
  var registers: [StopRegister?] = []
  var linearRIP: UInt64 = 0

  init(cpu: CPU, memory: GuestMemory) {
    self.cpu = cpu
    self.memory = memory
  }

  func agentRegister(_ number: Int) -> UInt64? {
    guard number >= 0, number < registers.count else { return nil }
    switch registers[number] {
    case .general(let register)?: return register >= 0 && register < 16 ? cpu[register] : nil
    case .linearRIP?: return linearRIP
    case .rflags?: return cpu.rflags
    case nil: return nil
    }
  }

  func agentMemory(at address: UInt64, count: Int) -> UInt64? {
    // The program has accessed it mostly; what the cache holds is what the tables say.
    if let value = cpu.peek(address, count) { return value }
    let paging = PagingRegisters(
      cr0: cpu[Slot.cr0], cr3: cpu[Slot.cr3], cr4: cpu[Slot.cr4], efer: cpu[Slot.efer])
    return LinearMemory(paging, memory).integer(address, count: count)
  }

  /// Nothing is printed from within an engine.
  func agentPrint(_ format: [UInt8], _ arguments: [UInt64]) throws(AgentError) { throw .badFormat }
}

extension SoftwareEngine {
  /// The breakpoints whose stops were refused by their conditions since the last call, by linear address.
  public func takeRefusedStops() -> [UInt64] { core.stopConditions.takeRefused() }
}

extension CPU {
  /// The conditions of the breakpoint at this linear address do not hold.
  @inline(never) func isRefused(_ linear: UInt64) -> Bool {
    if s[Slot.hasStopAddress] != 0, s[Slot.stopAddress] == linear { return false }
    // It lives as long as the state block does: references are not counted.
    let conditions = UnsafeRawPointer(bitPattern: UInt(s[SystemSlot.stopConditions])).unsafelyUnwrapped
    return Unmanaged<StopConditions>.fromOpaque(conditions)._withUnsafeGuaranteedRef { $0.refuses(linear) }
  }
}
