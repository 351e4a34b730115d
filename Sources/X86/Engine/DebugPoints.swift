internal import GuestMemory
public import VMMCore

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
  /// Accesses in this address space only; `nil` for all of them.
  public var space: AddressSpace?

  public init(address: UInt64, count: UInt64, kind: Kind, space: AddressSpace? = nil) {
    self.address = address
    self.count = count
    self.kind = kind
    self.space = space
  }
}

extension SoftwareEngine {
  /// Makes `run` stop before the instructions at these linear addresses, as `.until` does: the first instruction of a
  /// run is not looked at. The guest's own debug registers are left alone.
  ///
  /// - Parameter conditions: of some of them: runs go on where none of an address's conditions holds. A run may stop
  ///   there all the same, so that the caller asks them too.
  public func setBreakpoints(_ addresses: [UInt64], conditions: [UInt64: [StopCondition]] = [:]) {
    core.stopConditions.set(conditions)
    cpu[SystemSlot.hasStopConditions] = conditions.isEmpty ? 0 : 1
    cpu.stopsChanged()
    guard addresses != core.breakpointList else { return }
    let (old, new) = (core.breakpoints, Set(addresses))
    let changed = core.breakpointList.filter { !new.contains($0) } + addresses.filter { !old.contains($0) }
    (core.breakpoints, core.breakpointList) = (new, addresses)
    cpu[SystemSlot.hasBreakpoints] = new.isEmpty ? 0 : 1
    for address in changed { core.code.invalidate(linear: address) }
  }

  public func setStopFilter(_ filter: StopFilter?) {
    cpu[SystemSlot.hasFilter] = filter == nil ? 0 : 1
    defer { cpu.stopsChanged() }
    guard let filter else { return }
    cpu[SystemSlot.filterAddress] = filter.address
    for number in 0..<16 { cpu[SystemSlot.filterRegisters + number] = filter.registers[number] }
    let word = filter.word.flatMap { word in hostAddress(of: word.address).map { ($0, word.value) } }
    cpu[SystemSlot.filterWord] = word?.0 ?? 0
    cpu[SystemSlot.filterValue] = word?.1 ?? 0
  }

  /// Where eight bytes of guest memory that lie in one page are; `nil` for others.
  private func hostAddress(of address: GuestPhysicalAddress) -> UInt64? {
    let offset = Int(address.rawValue % UInt64(pageSize))
    guard offset <= pageSize - 8, let page = memory.pageIndex(of: address) else { return nil }
    return UInt64(UInt(bitPattern: memory.host(ofPage: page) + offset))
  }

  /// Makes `run` stop after an instruction that accesses these bytes. Instructions that access the pages they lie in
  /// are slower.
  public func setWatches(_ watches: [DebugWatch]) {
    let new = watches.filter { $0.count > 0 }
    guard new != core.watches else { return }
    core.watches = new
    core.watchedPages.watch(new)
    cpu[SystemSlot.hasWatches] = new.isEmpty ? 0 : 1
    let ends = new.map { $0.address.addingReportingOverflow($0.count - 1) }
    let wraps = ends.contains { $0.overflow }
    cpu[SystemSlot.firstWatched] = wraps ? 0 : new.map(\.address).min() ?? 0
    cpu[SystemSlot.lastWatched] = wraps ? .max : ends.map(\.partialValue).max() ?? 0
    cpu[SystemSlot.mustStep] = 0
    cpu.debugRegistersChanged()
    // What the translation cache holds goes by the pages that were watched before.
    cpu.flushTLB()
  }

  /// What stopped the last run for a debugger, or was accessed while an interaction was completed or an event
  /// delivered since; the next run does not stop for it again.
  public func takeDebugStop() -> DebugStop? {
    if queued == .stopped { queued = nil }
    defer { debugStop = nil }
    if let stop = debugStop { return stop }
    return cpu[SystemSlot.stopReason] != 0 ? cpu.takeDebugStop() : nil
  }

  /// The machine is in an address space, as far as an address goes: under its tables, or their twin of page-table
  /// isolation. `nil` stands for every space.
  public func isIn(_ space: AddressSpace?, for linear: UInt64) -> Bool { space.map { cpu.isIn($0, linear) } ?? true }

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

  /// A stop at this linear address is not wanted: its conditions do not hold, or the general registers, or the word of
  /// memory, are not those that it is for.
  @inline(__always) func isFilteredOut(_ linear: UInt64) -> Bool {
    if s[SystemSlot.hasStopConditions] != 0, isRefused(linear) { return true }
    guard s[SystemSlot.hasFilter] != 0, s[SystemSlot.filterAddress] == linear else { return false }
    let registers = UnsafeRawPointer(s).loadUnaligned(as: SIMD16<UInt64>.self)
    let wanted = UnsafeRawPointer(s + SystemSlot.filterRegisters).loadUnaligned(as: SIMD16<UInt64>.self)
    if registers != wanted { return true }
    guard let word = UnsafeRawPointer(bitPattern: UInt(s[SystemSlot.filterWord])) else { return false }
    return word.loadUnaligned(as: UInt64.self) != s[SystemSlot.filterValue]
  }

  /// After a change of the filter or of conditions.
  func stopsChanged() {
    let isPlain = s[SystemSlot.hasFilter] != 0 && s[SystemSlot.hasStopConditions] == 0
    s[SystemSlot.plainFilterAddress] = isPlain ? s[SystemSlot.filterAddress] : 1 << 63
  }

  /// A block that is to stop at this linear address is not for this vCPU now: its own runs do not stop there, or the
  /// stop is not wanted.
  @inline(__always) func goesBy(_ linear: UInt64) -> Bool { isFilteredOut(linear) || !isStop(linear) }

  /// A run stops before the instruction at this linear address.
  func isStop(_ linear: UInt64) -> Bool {
    s[Slot.hasStopAddress] != 0 && s[Slot.stopAddress] == linear
      || s[SystemSlot.hasBreakpoints] != 0 && core.breakpoints.contains(linear)
  }

  /// An access to these bytes is one that a debugger waits for.
  func isWatched(_ linear: UInt64, _ count: UInt64, write: Bool) -> Bool {
    let last = linear &+ (count &- 1)
    guard linear <= s[SystemSlot.lastWatched], last >= s[SystemSlot.firstWatched] else { return false }
    for watch in core.watches where write ? watch.kind != .read : watch.kind != .write {
      guard linear &- watch.address < watch.count || watch.address &- linear < count else { continue }
      if watch.space.map({ isIn($0, linear) }) ?? true { return true }
    }
    return false
  }

  /// See `SoftwareEngine.isIn`.
  func isIn(_ space: AddressSpace, _ linear: UInt64) -> Bool {
    let here = AddressSpace(cr3: cr3, isNarrowPAE: !isLongMode && cr4 & CR4.pae != 0)
    guard here != space else { return true }
    return here == space.twin && isLongMode
      && AddressSpace.areTwins((topEntry(here.root, linear), topEntry(space.root, linear)))
  }

  /// Watched bytes lie in the page.
  func isWatched(page: UInt64) -> Bool {
    guard s[SystemSlot.hasWatches] != 0 else { return false }
    return core.watches.contains { page &- $0.address < $0.count || $0.address &- page < 0x1000 }
  }

  func noteWatchedAccess(_ linear: UInt64, _ count: UInt64, write: Bool) {
    guard s[SystemSlot.stopReason] == 0 else { return }
    s[SystemSlot.stopReason] = 1
    s[SystemSlot.stopLinear] = linear
    s[SystemSlot.stopCount] = count
    s[SystemSlot.stopWrites] = write ? 1 : 0
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
