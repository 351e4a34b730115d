public import VMMCore

/// How the machine is to run, and what stops it.
public struct ResumeRequest: Equatable, Sendable {
  public enum Direction: Equatable, Sendable {
    case forward
    case backward
  }

  public enum Mode: Equatable, Sendable {
    /// One instruction.
    case step
    /// Until something stops it.
    case `continue`
    /// While the linear address of the next instruction is at least `start` and below `end`; at least one instruction.
    case range(start: UInt64, end: UInt64)
  }

  public var direction: Direction
  public var mode: Mode
  /// Linear addresses, ascending, each once.
  public var breakpoints: [UInt64]
  /// Conditions of some of them: where none of an address's conditions holds, `ResumeControl.shouldReport` says no and
  /// need not be asked.
  public var conditions: [UInt64: [StopCondition]]
  /// Ascending by address, each once.
  public var watchpoints: [Watchpoint]

  public init(
    _ direction: Direction, _ mode: Mode, breakpoints: [UInt64] = [], conditions: [UInt64: [StopCondition]] = [:],
    watchpoints: [Watchpoint] = []
  ) {
    self.direction = direction
    self.mode = mode
    self.breakpoints = breakpoints
    self.conditions = conditions
    self.watchpoints = watchpoints
  }
}

/// A range of linear addresses that is watched.
public struct Watchpoint: Hashable, Sendable {
  public enum Kind: UInt8, Hashable, Sendable {
    case write = 2
    case read = 3
    case access = 4
  }
  public var kind: Kind
  /// The first linear address.
  public var address: UInt64
  /// Bytes, at least 1; the range does not wrap.
  public var count: UInt64
  /// Accesses in this address space only; `nil` for all of them.
  public var space: AddressSpace?

  /// `nil` for an empty range and one that goes beyond the address space.
  public init?(_ kind: Kind, at address: UInt64, count: UInt64) {
    guard count > 0, !address.addingReportingOverflow(count &- 1).overflow else { return nil }
    self.kind = kind
    self.address = address
    self.count = count
  }

  /// The last linear address.
  public var lastAddress: UInt64 { address &+ (count &- 1) }

  /// An access of `count` bytes (at least 1) at `address` touches a watched byte in a way that is watched.
  public func isHit(at address: UInt64, count: UInt64, isWrite: Bool) -> Bool {
    let watched =
      switch kind {
      case .write: isWrite
      case .read: !isWrite
      case .access: true
      }
    return watched && address <= lastAddress && address &+ (count &- 1) >= self.address
  }
}

/// What a target asks while it runs.
public protocol ResumeControl: AnyObject {
  /// The client sent an interrupt or is gone: stop at the next instruction boundary. Cheap, but not free: a poll.
  func shouldStop() -> Bool

  /// A breakpoint was reached in `view`, the machine at that instant (in a backward run it may be another one than the
  /// target itself): the breakpoint's condition holds there. May call every method of `view`.
  func shouldReport(breakpointAt address: UInt64, in view: any MachineView) -> Bool

  /// What `shouldReport` depends on at an address, beside the machine: as long as it is the same, so is the answer at
  /// the same place, and the target may remember it. `nil` where that cannot be promised.
  func condition(at address: UInt64) -> [UInt8]?
}

extension ResumeControl {
  public func condition(at address: UInt64) -> [UInt8]? { nil }
}

/// Why the machine stopped.
public enum StopReport: Equatable, Sendable {
  /// The step, the range or the seek is done.
  case step
  /// The next instruction has a breakpoint that is to be reported.
  case breakpoint
  /// An instruction hit this watchpoint; `address` is the first watched byte that it accessed.
  case watchpoint(Watchpoint, address: UInt64)
  /// The begin of the recording.
  case begin
  /// The end of the recording.
  case end
  /// The recording cannot be followed any further: the replay diverged, or the trace is damaged. The lines say why. The
  /// machine stands at the last place of the recorded path, and can go back from there.
  case noFurther([String])
  /// `ResumeControl.shouldStop` said so.
  case interrupted
  /// The machine is gone for good, with this status. A replay reports `end` instead.
  case exited(UInt8)
}

/// A place in the recording to go to.
public enum Destination: Equatable, Sendable {
  case begin
  case end
  case position(Position)
  /// After so many instructions from the begin.
  case instruction(UInt64)
  /// After so many percent of all instructions; at most 100. Where their number is not known yet, the machine goes to
  /// the end to learn it.
  case share(UInt64)
  /// A checkpoint by its number.
  case checkpoint(Int)
}
