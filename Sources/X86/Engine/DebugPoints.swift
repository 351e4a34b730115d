internal import VMMCore

/// Why a debugger's stop ended a run.
public enum DebugStop: Equatable, Sendable {
  /// The next instruction is the one at this linear address.
  case breakpoint(UInt64)
  /// The last instruction (or the delivery of an event) accessed watched bytes: the linear address and number of bytes
  /// of the first such access, and whether it was a store.
  case watch(address: UInt64, count: UInt64, write: Bool)
}

/// Bytes that a debugger watches, by linear address.
public struct DebugWatch: Equatable, Sendable {
  public enum Kind: Sendable { case write, read, access }
  public var address: UInt64
  public var count: UInt64
  public var kind: Kind

  public init(address: UInt64, count: UInt64, kind: Kind) {
    self.address = address
    self.count = count
    self.kind = kind
  }
}

extension SoftwareEngine {
  /// Makes `run` stop before the instructions at these linear addresses, as `.until` does: the first instruction of a
  /// run is not looked at. The guest's own debug registers are left alone.
  public func setBreakpoints(_ addresses: [UInt64]) {
    let new = Set(addresses)
    guard new != core.breakpoints else { return }
    core.breakpoints = new
    cpu[SystemSlot.hasBreakpoints] = new.isEmpty ? 0 : 1
    core.blocks.flush()
  }

  public func setStopFilter(at linear: UInt64?, registers: SIMD16<UInt64>) {
    cpu[SystemSlot.hasFilter] = linear == nil ? 0 : 1
    cpu[SystemSlot.filterAddress] = linear ?? 0
    for number in 0..<16 { cpu[SystemSlot.filterRegisters + number] = registers[number] }
  }

  /// Makes `run` stop after an instruction that accesses these bytes. While there are any, instructions are executed
  /// one by one.
  public func setWatches(_ watches: [DebugWatch]) {
    core.watches = watches.filter { $0.count > 0 }
    cpu[SystemSlot.hasWatches] = core.watches.isEmpty ? 0 : 1
    cpu.debugRegistersChanged()
  }

  /// What stopped the last run for a debugger, or was accessed while an interaction was completed or an event
  /// delivered since; the next run does not stop for it again.
  public func takeDebugStop() -> DebugStop? {
    if queued == .stopped { queued = nil }
    defer { debugStop = nil }
    if let stop = debugStop { return stop }
    return cpu[SystemSlot.stopReason] != 0 ? cpu.takeDebugStop() : nil
  }

  /// The linear address of the next instruction.
  public var linearRIP: UInt64 { cpu.codeLinear(cpu.rip) }

  /// Lets the CPU enter the handler of the event that is to be delivered next, as the next `run` would do first. False
  /// when there is none, or when its delivery is not complete.
  public func deliverPendingEvent() -> Bool {
    guard isSettled, queued == nil || queued == .stopped, cpu.isEventDue else { return false }
    switch cpu.settleEvents() {
    case .exit: queued = cpu.requestedExit
    case .shutdown: queued = .shutdown
    default: return true
    }
    return false
  }
}

extension CPU {
  /// The next instruction is one to stop before.
  @inline(__always) var isAtStop: Bool {
    guard s[Slot.hasStopAddress] | s[SystemSlot.hasBreakpoints] != 0 else { return false }
    let linear = codeLinear(rip)
    return isStop(linear) && !isFilteredOut(linear)
  }

  /// The general registers are not those that a stop at this linear address is for.
  @inline(__always) func isFilteredOut(_ linear: UInt64) -> Bool {
    guard s[SystemSlot.hasFilter] != 0, s[SystemSlot.filterAddress] == linear else { return false }
    let registers = UnsafeRawPointer(s).loadUnaligned(as: SIMD16<UInt64>.self)
    let wanted = UnsafeRawPointer(s + SystemSlot.filterRegisters).loadUnaligned(as: SIMD16<UInt64>.self)
    return registers != wanted
  }

  /// A run stops before the instruction at this linear address.
  func isStop(_ linear: UInt64) -> Bool {
    s[Slot.hasStopAddress] != 0 && s[Slot.stopAddress] == linear
      || s[SystemSlot.hasBreakpoints] != 0 && core.breakpoints.contains(linear)
  }

  func noteWatchedAccess(_ linear: UInt64, _ count: UInt64, write: Bool) {
    guard s[SystemSlot.stopReason] == 0 else { return }
    for watch in core.watches where write ? watch.kind != .read : watch.kind != .write {
      guard linear &- watch.address < watch.count || watch.address &- linear < count else { continue }
      s[SystemSlot.stopReason] = 1
      s[SystemSlot.stopLinear] = linear
      s[SystemSlot.stopCount] = count
      s[SystemSlot.stopWrites] = write ? 1 : 0
      return
    }
  }

  func forgetDebugStop() { s[SystemSlot.stopReason] = 0 }

  /// What a debugger set that holds here.
  func takeDebugStop() -> DebugStop? {
    if s[SystemSlot.stopReason] != 0 {
      s[SystemSlot.stopReason] = 0
      return .watch(
        address: s[SystemSlot.stopLinear], count: s[SystemSlot.stopCount], write: s[SystemSlot.stopWrites] != 0)
    }
    let linear = codeLinear(rip)
    return core.breakpoints.contains(linear) ? .breakpoint(linear) : nil
  }
}
