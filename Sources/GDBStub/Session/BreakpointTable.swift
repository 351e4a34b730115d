internal import VMMCore

/// The breakpoints and watchpoints that the client has set. They live here only: guest memory never shows them.
struct BreakpointTable {
  /// More than any user sets; a bound on what a hostile client can make the stub hold.
  static let maximumCount = 65_536
  static let maximumWatchpoints = 1024
  /// Conditions and commands of one breakpoint together.
  static let maximumExpressions = 64

  enum Kind: UInt8 {
    case software = 0
    case hardware = 1
  }

  struct Breakpoint: Equatable {
    /// One of them must hold; none means always.
    var conditions: [AgentExpression] = []
    /// Carried out instead of stopping (dynamic prints).
    var commands: [AgentExpression] = []
    /// Stops in this address space only; `nil` for all.
    var space: AddressSpace?

    fileprivate var stopsAlways: Bool { conditions.isEmpty && space == nil }
  }

  private var software: [UInt64: Breakpoint] = [:]
  private var hardware: [UInt64: Breakpoint] = [:]
  /// Every address that has a breakpoint, ascending, each once.
  private(set) var addresses: [UInt64] = []
  /// Some have been set, since there were none at all, that do not stop always: a step need not look at each.
  private var hasConditions = false
  /// Ascending by address.
  private(set) var watchpoints: [Watchpoint] = []

  var isEmpty: Bool { addresses.isEmpty && watchpoints.isEmpty }

  private var count: Int { software.count + hardware.count }

  /// Setting one again replaces its conditions.
  mutating func insert(_ kind: Kind, at address: UInt64, _ breakpoint: Breakpoint) throws(PacketError) {
    guard count < BreakpointTable.maximumCount else { throw .tooMuch }
    if !breakpoint.stopsAlways { hasConditions = true }
    switch kind {
    case .software: software[address] = breakpoint
    case .hardware: hardware[address] = breakpoint
    }
    let place = firstIndex(notBelow: address)
    if place == addresses.count || addresses[place] != address { addresses.insert(address, at: place) }
  }

  /// Removing one that is not there is no error (gdb manual, E.2: the operation is idempotent).
  mutating func remove(_ kind: Kind, at address: UInt64) {
    switch kind {
    case .software: software[address] = nil
    case .hardware: hardware[address] = nil
    }
    let place = firstIndex(notBelow: address)
    guard place < addresses.count, addresses[place] == address else { return }
    if software[address] == nil, hardware[address] == nil { addresses.remove(at: place) }
    if addresses.isEmpty { hasConditions = false }
  }

  mutating func insert(_ watchpoint: Watchpoint) throws(PacketError) {
    remove(watchpoint)
    guard watchpoints.count < BreakpointTable.maximumWatchpoints else { throw .tooMuch }
    let place = watchpoints.firstIndex { $0.address > watchpoint.address } ?? watchpoints.count
    watchpoints.insert(watchpoint, at: place)
  }

  /// In whichever space it is.
  mutating func remove(_ watchpoint: Watchpoint) {
    watchpoints.removeAll {
      $0.kind == watchpoint.kind && $0.address == watchpoint.address && $0.count == watchpoint.count
    }
  }

  func contains(_ point: PointSpaces.Point) -> Bool {
    switch point.type {
    case Kind.software.rawValue: software[point.address] != nil
    case Kind.hardware.rawValue: hardware[point.address] != nil
    default:
      watchpoints.contains {
        $0.kind.rawValue == point.type && $0.address == point.address && $0.count == point.count
      }
    }
  }

  /// The kind that a stop reply names: a software breakpoint wins.
  func kind(at address: UInt64) -> Kind? {
    if software[address] != nil { return .software }
    return hardware[address] != nil ? .hardware : nil
  }

  /// What an engine can decide by itself, for the addresses where none of the breakpoints stops always or is to print.
  ///
  /// - Parameter registers: what the client's numbers of registers stand for.
  func conditions(_ registers: [StopRegister?]) -> [UInt64: [StopCondition]] {
    guard hasConditions else { return [:] }
    var conditions: [UInt64: [StopCondition]] = [:]
    for address in addresses {
      let here = breakpoints(at: address)
      guard here.allSatisfy({ $0.commands.isEmpty && !$0.stopsAlways }) else { continue }
      conditions[address] = here.map {
        StopCondition(programs: $0.conditions, registers: registers, space: $0.space)
      }
    }
    return conditions
  }

  func breakpoints(at address: UInt64) -> [Breakpoint] {
    [software[address], hardware[address]].compactMap { $0 }
  }

  private func firstIndex(notBelow address: UInt64) -> Int {
    var (low, high) = (0, addresses.count)
    while low < high {
      let middle = low + (high - low) / 2
      if addresses[middle] < address { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
