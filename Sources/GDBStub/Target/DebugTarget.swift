public import VMMCore

/// What a client may look at: one vCPU and its memory at one instant.
public protocol MachineView: AnyObject {
  /// The architectural state at this instant.
  func registers() throws(TargetError) -> CPUState

  /// Reads up to `count` bytes at a linear address through the guest's page tables, with supervisor rights and without
  /// side effects. Returns the readable prefix: shorter, or empty, where a page is not mapped or is not memory.
  func readMemory(at address: UInt64, count: Int) -> [UInt8]

  /// Reads up to `count` bytes of guest-physical memory; the readable prefix.
  func readPhysicalMemory(at address: GuestPhysicalAddress, count: Int) -> [UInt8]

  /// `readMemory` through the page tables of an address space, whichever the machine is in.
  func readMemory(at address: UInt64, count: Int, in space: AddressSpace) -> [UInt8]

  /// An address is a process's in an address space: the page tables on the way to it, as far as there are any, are for
  /// user mode. False where nothing says so.
  func isUserMemory(at address: UInt64, in space: AddressSpace) -> Bool

  /// The machine is in an address space as far as an address goes: under its page tables, or under those that the same
  /// process has in its other mode with page-table isolation.
  func isIn(_ space: AddressSpace, for address: UInt64) -> Bool
}

extension MachineView {
  public func readMemory(at address: UInt64, count: Int, in space: AddressSpace) -> [UInt8] {
    isIn(space, for: address) ? readMemory(at: address, count: count) : []
  }

  public func isUserMemory(at address: UInt64, in space: AddressSpace) -> Bool { false }

  public func isIn(_ space: AddressSpace, for address: UInt64) -> Bool {
    (try? registers()).flatMap { AddressSpace($0) } == space
  }
}

/// A replayed machine with one vCPU, as the stub sees it. It can be moved along its recorded history in both
/// directions, and it is read-only: a change would leave the recorded path. A target may offer a *diversion*, a
/// throw-away copy of the machine in which changes are allowed and which ends where it began.
///
/// All calls come from one thread. Everything that takes a client's value refuses bad ones with a `TargetError`;
/// nothing that a client sends may trap. The stub keeps breakpoints and watchpoints and hands them over with each
/// `resume`: they are never visible in memory.
public protocol DebugTarget: MachineView {
  /// Where the machine stands.
  var position: Position { get }

  /// Instructions retired from the begin of the recording to here, where the target counts them.
  var instructionCount: UInt64? { get }

  /// Instructions that the target has executed so far, on whatever way: tells how a move gets on.
  var executedInstructions: UInt64 { get }

  /// What is being replayed.
  var recording: RecordingInfo { get }

  /// Runs the machine, forwards or backwards, until something that the request asks for happens, the recording ends in
  /// that direction, or `control.shouldStop()` says so. It is asked at least every few milliseconds.
  ///
  /// * A breakpoint is hit where the next instruction's linear address is in the list, but not where the run starts. At
  ///   a hit the target asks `control.shouldReport(breakpointAt:in:)`; on false it runs on.
  /// * A watchpoint is hit by an instruction that accesses an overlapping byte in the way, and in the address space,
  ///   that it names. Forwards the machine stops after that instruction, backwards before it (memory holds the old
  ///   value).
  /// * `step` is one instruction as its user sees it: a delivered interrupt or exception makes the step that ends at
  ///   the first instruction of the handler.
  /// * `range` steps until the linear address of the next instruction is outside.
  /// * Breakpoints and watchpoints count in every mode; the destination of a `step` need not be reported as a hit.
  func resume(_ request: ResumeRequest, control: any ResumeControl) throws(TargetError) -> StopReport

  /// Moves the machine to a place in the recording: `.step` on arrival, `.interrupted` when `control.shouldStop()` said
  /// so on the way (the machine may then be anywhere), `.noFurther` when the way there ends before it, an error when
  /// there is no such place (the machine has not moved).
  func seek(_ destination: Destination, control: any ResumeControl) throws(TargetError) -> StopReport

  /// The user's checkpoints, oldest first.
  var checkpoints: [CheckpointInfo] { get }
  /// Takes one here.
  func createCheckpoint(note: String) throws(TargetError) -> CheckpointInfo
  func deleteCheckpoint(_ number: Int) throws(TargetError)

  /// The diversion that is under way.
  var isDiverted: Bool { get }
  /// Begins a diversion here: from now on changes are allowed, and execution goes forward only.
  func beginDiversion() throws(TargetError)
  /// Throws the diversion away; the machine stands where it began.
  func endDiversion() throws(TargetError)

  /// Replaces the architectural state. Only in a diversion.
  func setRegisters(_ state: CPUState) throws(TargetError)
  /// Writes all bytes at a linear address, or none. Only in a diversion.
  func writeMemory(_ bytes: [UInt8], at address: UInt64) throws(TargetError)
  /// Writes all bytes of guest-physical memory, or none. Only in a diversion.
  func writePhysicalMemory(_ bytes: [UInt8], at address: GuestPhysicalAddress) throws(TargetError)

  /// `monitor` commands of the target's own: a line of help each.
  var monitorCommands: [MonitorCommandInfo] { get }
  /// Carries out one of them; the text that the user sees.
  func monitor(_ command: String, arguments: [String]) throws(TargetError) -> String
}

extension DebugTarget {
  public var instructionCount: UInt64? { nil }
  public var executedInstructions: UInt64 { 0 }

  public var checkpoints: [CheckpointInfo] { [] }
  public func createCheckpoint(note: String) throws(TargetError) -> CheckpointInfo {
    throw TargetError("this target takes no checkpoints")
  }
  public func deleteCheckpoint(_ number: Int) throws(TargetError) {
    throw TargetError("there is no checkpoint \(number)")
  }

  public var isDiverted: Bool { false }
  public func beginDiversion() throws(TargetError) { throw TargetError("this target offers no diversions") }
  public func endDiversion() throws(TargetError) { throw TargetError("no diversion is under way") }

  public func setRegisters(_ state: CPUState) throws(TargetError) { throw .readOnly }
  public func writeMemory(_ bytes: [UInt8], at address: UInt64) throws(TargetError) { throw .readOnly }
  public func writePhysicalMemory(_ bytes: [UInt8], at address: GuestPhysicalAddress) throws(TargetError) {
    throw .readOnly
  }

  public var monitorCommands: [MonitorCommandInfo] { [] }
  public func monitor(_ command: String, arguments: [String]) throws(TargetError) -> String {
    throw TargetError("no such command")
  }
}

/// The target would not do what it was asked.
public struct TargetError: Error, Equatable, Sendable, CustomStringConvertible {
  /// One line for the user: what was refused, why, and what to do.
  public var description: String
  public init(_ description: String) { self.description = description }

  /// A replay may not be changed.
  public static let readOnly = TargetError(
    "this is a replay: registers and memory cannot be changed, except in a diversion (`monitor diversion begin`)")
}

/// A `monitor` command that the target adds.
public struct MonitorCommandInfo: Equatable, Sendable {
  public var name: String
  /// What follows the name, for the help text: `ADDRESS [COUNT]`.
  public var usage: String
  public var summary: String

  public init(name: String, usage: String = "", summary: String) {
    self.name = name
    self.usage = usage
    self.summary = summary
  }
}

/// What `info recording` shows.
public struct RecordingInfo: Equatable, Sendable {
  /// The trace's path, or another name for it.
  public var name: String
  /// The last position of the recording.
  public var end: Position
  /// Instructions from begin to end, where known.
  public var instructions: UInt64?
  /// More facts, in the order in which they are shown.
  public var facts: [Fact]

  public struct Fact: Equatable, Sendable {
    public var name: String
    public var value: String
    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  public init(name: String, end: Position, instructions: UInt64? = nil, facts: [Fact] = []) {
    self.name = name
    self.end = end
    self.instructions = instructions
    self.facts = facts
  }
}

/// A checkpoint that the user took.
public struct CheckpointInfo: Equatable, Sendable {
  /// Counted from 1, never used twice.
  public var number: Int
  public var position: Position
  /// The linear address of the next instruction there.
  public var address: UInt64
  public var note: String

  public init(number: Int, position: Position, address: UInt64, note: String) {
    self.number = number
    self.position = position
    self.address = address
    self.note = note
  }
}
