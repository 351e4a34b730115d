import Machine
import Replay
import Support
import Testing
import Trace
import VMMCore

/// Timelines of guests that the software engine has recorded: no host is needed.
struct TimelineFixture {
  let folder = TemporaryFolder()

  func record(
    _ guest: String, commandLine: String = "", engine: EngineKind = .software, options: RecordOptions = RecordOptions()
  ) throws -> String {
    let path = folder.file("\(guest).trace")
    try Recorder.record(guest, to: path, commandLine: commandLine, engine: engine, options: options)
    return path
  }

  func timeline(_ guest: String, commandLine: String = "", options: Timeline.Options = Timeline.Options()) throws
    -> Timeline
  { try Timeline(path: try record(guest, commandLine: commandLine), options: options) }

  /// The recorded race in which one of six interrupts loses an update.
  static let race = SourceTree.root + "/Traces/race-six/race-six.trace"
  /// The one in which the only interrupt does.
  static let lostUpdate = SourceTree.root + "/Traces/race/race.trace"
}

/// Lets everything happen, counts what it is asked.
final class Permissive: TimelineControl {
  /// Stops the run at the poll of this number.
  var stopAfter = Int.max
  /// That poll alone does, as for one Ctrl-C.
  var stopsOnce = false
  var polls = 0
  var reports = 0
  /// Whether a breakpoint is to be reported.
  var condition: (UInt64) -> Bool = { _ in true }
  /// What that depends on.
  var dependsOn: [UInt8]?

  func shouldStop() -> Bool {
    polls += 1
    return stopsOnce ? polls == stopAfter + 1 : polls > stopAfter
  }

  func shouldReport(breakpointAt address: UInt64) -> Bool {
    reports += 1
    return condition(address)
  }

  func condition(at address: UInt64) -> [UInt8]? { dependsOn }
}

extension Timeline {
  /// What must be the same whenever the machine stands here.
  struct Snapshot: Equatable {
    var position: Position
    var instructions: UInt64?
    var cpu: UInt64
    var rip: UInt64
    var stackPointer: UInt64
    var stack: [UInt8]
  }

  func snapshot() throws -> Snapshot {
    let state = try state()
    return Snapshot(
      position: position, instructions: instructions, cpu: state.digest, rip: state.linearRIP,
      stackPointer: state.rsp, stack: read(linear: state.rsp, count: 64))
  }

  func stepForward() throws -> TimelineStop { try forward(TimelineRequest(.step), control: Permissive()) }
  func stepBackward() throws -> TimelineStop { try backward(TimelineRequest(.step), control: Permissive()) }
  func seek(_ place: TimelinePlace) throws -> TimelineStop { try seek(place, control: Permissive()) }

  /// Everything that a replay checks, from here to the end; the state there.
  func finish() throws -> Snapshot {
    #expect(try forward(TimelineRequest(.continue), control: Permissive()) == .end)
    return try snapshot()
  }
}
