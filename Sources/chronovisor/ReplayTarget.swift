internal import GDBStub
internal import Replay
internal import Trace
internal import VMMCore

/// A timeline as the gdb stub sees it.
final class ReplayTarget: DebugTarget {
  private let timeline: Timeline
  private let name: String

  init(_ timeline: Timeline, name: String) {
    self.timeline = timeline
    self.name = name
  }

  var position: Position { timeline.position }
  var instructionCount: UInt64? { timeline.instructions }
  var executedInstructions: UInt64 { timeline.executedInstructions }

  var recording: RecordingInfo {
    let header = timeline.reader.header
    var facts = [
      RecordingInfo.Fact("ended", ended),
      RecordingInfo.Fact("guest", header.guestKind),
      RecordingInfo.Fact("memory", "\(header.memorySize >> 20) MiB"),
      RecordingInfo.Fact("recorded with", "\(header.producer), engine \(header.engine), \(header.host)"),
      RecordingInfo.Fact(
        "checkpoints", "\(timeline.checkpointCount) automatic, \(timeline.checkpointBytes >> 20) MiB"),
    ]
    if !header.commandLine.isEmpty { facts.insert(.init("command line", header.commandLine), at: 2) }
    return RecordingInfo(
      name: name, end: timeline.ending.position, instructions: timeline.totalInstructions, facts: facts)
  }

  private var ended: String {
    if let reason = timeline.ending.reason { return "\(reason)" }
    return "never: the recording is incomplete; the guest is known to have come to \(timeline.ending.place)"
  }

  // MARK: looking

  func registers() throws(TargetError) -> CPUState { try translated { try timeline.state() } }

  func readMemory(at address: UInt64, count: Int) -> [UInt8] { timeline.read(linear: address, count: count) }

  func readPhysicalMemory(at address: GuestPhysicalAddress, count: Int) -> [UInt8] {
    timeline.read(physical: address, count: count)
  }

  func readMemory(at address: UInt64, count: Int, in space: AddressSpace) -> [UInt8] {
    timeline.read(linear: address, count: count, in: space)
  }

  func isUserMemory(at address: UInt64, in space: AddressSpace) -> Bool {
    timeline.isUserMemory(at: address, in: space)
  }
  func isIn(_ space: AddressSpace, for address: UInt64) -> Bool { timeline.isIn(space, for: address) }

  // MARK: moving

  func resume(_ request: ResumeRequest, control: any ResumeControl) throws(TargetError) -> StopReport {
    let bridge = ControlBridge(control, self)
    let wanted = TimelineRequest(
      TimelineRequest.Mode(request.mode), breakpoints: request.breakpoints, conditions: request.conditions,
      watches: request.watchpoints.map { WatchRange($0) })
    return try stopped(request.watchpoints) {
      switch request.direction {
      case .forward: try timeline.forward(wanted, control: bridge)
      case .backward: try timeline.backward(wanted, control: bridge)
      }
    }
  }

  func seek(_ destination: Destination, control: any ResumeControl) throws(TargetError) -> StopReport {
    try stopped([]) { try go(to: destination, ControlBridge(control, self)) }
  }

  private func go(to destination: Destination, _ control: ControlBridge) throws -> TimelineStop {
    switch destination {
    case .begin: try timeline.seek(.begin, control: control)
    case .end: try timeline.seek(.end, control: control)
    case .position(let position): try timeline.seek(.position(position), control: control)
    case .instruction(let count): try timeline.seek(.instruction(count), control: control)
    case .checkpoint(let number): try timeline.seek(.mark(number), control: control)
    case .share(let share): try go(toShare: share, control)
    }
  }

  /// The number of all instructions is known once the machine has been at the end.
  private func go(toShare share: UInt64, _ control: ControlBridge) throws -> TimelineStop {
    if timeline.totalInstructions == nil {
      let stop = try timeline.countInstructions(control: control)
      if stop == .interrupted { return stop }
    }
    guard let total = timeline.totalInstructions else { return .interrupted }
    return try timeline.seek(.instruction(Destination.instruction(at: share, of: total)), control: control)
  }

  /// Where a move ended: as it was to, or where the recording cannot be followed any further.
  private func stopped(
    _ watchpoints: [Watchpoint], _ move: () throws -> TimelineStop
  ) throws(TargetError) -> StopReport {
    do {
      return report(try move(), watchpoints)
    } catch let divergence as Divergence {
      return .noFurther(divergence.report)
    } catch let error as TraceError where error.isDataError {
      return .noFurther([printable(error.description)])
    } catch {
      throw TargetError("\(error)")
    }
  }

  private func report(_ stop: TimelineStop, _ watchpoints: [Watchpoint]) -> StopReport {
    switch stop {
    case .step: return .step
    case .breakpoint: return .breakpoint
    case .watch(let range, let address):
      guard let watchpoint = watchpoints.first(where: { WatchRange($0) == range }) else { return .step }
      return .watchpoint(watchpoint, address: address)
    case .begin: return .begin
    case .end: return .end
    case .interrupted: return .interrupted
    }
  }

  // MARK: checkpoints and diversions

  var checkpoints: [CheckpointInfo] { timeline.marks.map { CheckpointInfo($0) } }

  func createCheckpoint(note: String) throws(TargetError) -> CheckpointInfo {
    CheckpointInfo(try translated { try timeline.createMark(note: note) })
  }

  func deleteCheckpoint(_ number: Int) throws(TargetError) { try translated { try timeline.deleteMark(number) } }

  var isDiverted: Bool { timeline.isDiverted }

  func beginDiversion() throws(TargetError) { try translated { try timeline.beginDiversion() } }
  func endDiversion() throws(TargetError) { try translated { try timeline.endDiversion() } }

  func setRegisters(_ state: CPUState) throws(TargetError) {
    guard isDiverted else { throw .readOnly }
    try translated { try timeline.setState(state) }
  }

  func writeMemory(_ bytes: [UInt8], at address: UInt64) throws(TargetError) {
    guard isDiverted else { throw .readOnly }
    try translated { try timeline.write(bytes, linear: address) }
  }

  func writePhysicalMemory(_ bytes: [UInt8], at address: GuestPhysicalAddress) throws(TargetError) {
    guard isDiverted else { throw .readOnly }
    try translated { try timeline.write(bytes, physical: address) }
  }

  // MARK: monitor

  let monitorCommands = [
    MonitorCommandInfo(
      name: "console", usage: "[LINES]", summary: "what the guest has printed so far: the last lines (20)")
  ]

  func monitor(_ command: String, arguments: [String]) throws(TargetError) -> String {
    guard command == "console" else { throw TargetError("no such command") }
    guard let count = arguments.isEmpty ? 20 : Int(arguments[0]), count > 0 else {
      throw TargetError("console: give a number of lines")
    }
    let text = String(decoding: timeline.consoleText.filter { $0 != 13 }, as: UTF8.self)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).suffix(count)
    return lines.map { printable(String($0)) }.joined(separator: "\n")
  }

  /// One place turns what can go wrong into what the user reads.
  private func translated<T>(_ body: () throws -> T) throws(TargetError) -> T {
    do {
      return try body()
    } catch {
      throw TargetError("\(error)")
    }
  }
}

/// Carries the timeline's questions to the stub.
private final class ControlBridge: TimelineControl {
  private let control: any ResumeControl
  private let view: any MachineView

  init(_ control: any ResumeControl, _ view: any MachineView) {
    self.control = control
    self.view = view
  }

  func shouldStop() -> Bool { control.shouldStop() }
  func shouldReport(breakpointAt address: UInt64) -> Bool { control.shouldReport(breakpointAt: address, in: view) }
  func condition(at address: UInt64) -> [UInt8]? { control.condition(at: address) }
}

extension TimelineRequest.Mode {
  fileprivate init(_ mode: ResumeRequest.Mode) {
    switch mode {
    case .step: self = .step
    case .continue: self = .continue
    case .range(let start, let end): self = .range(start..<max(start, end))
    }
  }
}

extension WatchRange {
  fileprivate init(_ watchpoint: Watchpoint) {
    let kind: Kind =
      switch watchpoint.kind {
      case .write: .write
      case .read: .read
      case .access: .access
      }
    self.init(kind, first: watchpoint.address, last: watchpoint.lastAddress, in: watchpoint.space)
  }
}

extension CheckpointInfo {
  fileprivate init(_ mark: Timeline.Mark) {
    self.init(number: mark.number, position: mark.position, address: mark.address, note: mark.note)
  }
}
