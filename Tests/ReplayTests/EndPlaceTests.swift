import Machine
import Replay
import Support
import Testing
import Trace
import VMMCore

/// A recording that is ended from outside ends where the guest stood, not at the last event before.
@Suite struct EndPlaceTests {
  private let folder = TemporaryFolder()

  private static let engines = [EngineKind.software] + (kvmAvailable ? [.kvm] : [])

  @Test(arguments: engines) func theEndIsInTheLoop(engine: EngineKind) throws {
    let path = folder.file("compute.trace")
    var options = RecordOptions()
    options.timeout = 10_000_000
    let outcome = try Recorder.record(
      "compute", to: path, commandLine: "1000000000000", engine: engine, options: options)
    #expect(outcome.end == .timeout)
    let events = try Recorder.events(of: path).1
    let last = events.last { if case .delivery = $0 { true } else { false } }
    guard case .delivery(.memoryWrite(_, bytes: []), let place)? = last else {
      Issue.record("the end has no place: \(String(describing: last))")
      return
    }
    if engine == .software {
      guard case .instructions(let count, 0) = place else {
        Issue.record("\(place)")
        return
      }
      // Ten milliseconds are ten million instructions; some were before the last event.
      #expect(count > 9_000_000)
    }
    for kind in EndPlaceTests.engines where engine != .software || kind == .software {
      let replayed = try TraceReplayer(path: path, engine: kind).replay { _ in }
      #expect(replayed.end == .timeout && replayed.state == outcome.state)
    }
    let timeline = try Timeline(path: path)
    if engine == .software { #expect(timeline.totalInstructions != nil) }
    let said = timeline.totalInstructions
    _ = try timeline.finish()
    #expect(timeline.position.ordinal == outcome.events)
    #expect(said == nil || timeline.instructions == said)
  }

  /// What a recording says of its length and of its last place is held against the replay, also where a triple fault
  /// ends it, and where it breaks off.
  @Test(arguments: ["hello", "triplefault", "compute"]) func aWrongMarkIsNoticed(guest: String) throws {
    let path = folder.file("\(guest).trace")
    var options = RecordOptions()
    options.timeout = 3_000_000
    try Recorder.record(guest, to: path, commandLine: "100000000", engine: .software, options: options)
    let (reader, events) = try Recorder.events(of: path)
    let machine = try reader.initialMachine()
    func failures(isClosed: Bool, _ change: (inout Mark) -> Void) throws -> Int {
      let changed = folder.file("changed.trace")
      let writer = try TraceWriter(path: changed, header: reader.header, machine: machine)
      for event in events {
        switch event {
        case .mark(var mark):
          change(&mark)
          try writer.append(.mark(mark))
        case .end: if isClosed { try writer.append(event) }
        default: try writer.append(event)
        }
      }
      if isClosed { try writer.close(elapsed: reader.duration) } else { try writer.flush(elapsed: reader.duration) }
      let alone = (try? TraceReplayer(path: changed, engine: .software).replay { _ in }) == nil
      let timeline = try Timeline(path: changed)
      let debugged = (try? timeline.forward(TimelineRequest(.continue), control: Permissive())) == nil
      return (alone ? 1 : 0) + (debugged ? 1 : 0)
    }
    // What broke off before a triple fault has come to the fault, and not beyond.
    for isClosed in [true, false] where isClosed || guest != "triplefault" {
      #expect(try failures(isClosed: isClosed) { _ in } == 0)
      #expect(try failures(isClosed: isClosed) { $0.instructions += 1 } == 2)
    }
    guard guest == "triplefault" else { return }
    #expect(
      try failures(isClosed: true) { mark in
        guard case .instructions(let count, _) = mark.place else { return }
        mark.place = .instructions(count - 1, iterations: 0)
      } >= 1)
  }
}
