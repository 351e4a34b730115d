import Replay
import Support
import Testing
import Trace
import VMMCore

/// A timeline whose replay cannot follow the recording: it stands where it left the path, and goes back from there.
@Suite struct TimelineDivergenceTests {
  let fixture = TimelineFixture()

  /// What is wrong with the trace.
  enum Change: String, CaseIterable, Sendable {
    /// Of a port write: the instruction is done when the difference shows.
    case output
    /// Of a port read: the instruction waits for its answer.
    case input
    case missingEvent
    case registers
    case interrupt

    func apply(_ events: inout [TraceEvent]) {
      func last(_ accepts: (TraceEvent) -> Bool) -> Int { events.lastIndex(where: accepts) ?? 0 }
      switch self {
      case .output:
        let index = last { if case .interaction(.portWrite(port: 0x3f8, _, _), _) = $0 { true } else { false } }
        events[index] = .interaction(.portWrite(port: 0x3f8, size: 1, value: 0x7e), .none)
      case .input:
        let index = last { if case .interaction(.portRead, _) = $0 { true } else { false } }
        events[index] = .interaction(.portRead(port: 0x80, size: 4), .value(0))
      case .missingEvent:
        events.remove(at: last { if case .interaction(.portRead, _) = $0 { true } else { false } })
      case .registers:
        let index = last { if case .digest = $0 { true } else { false } }
        guard case .digest(var digest) = events[index] else { return }
        digest.cpu ^= 1
        events[index] = .digest(digest)
      case .interrupt:
        let index = last { if case .delivery = $0 { true } else { false } }
        guard case .delivery(let delivery, _) = events[index] else { return }
        events[index] = .delivery(delivery, at: .instructions(1 << 40, iterations: 0))
      }
    }
  }

  private func changed(_ path: String, _ change: Change) throws -> String {
    var (reader, events) = try Recorder.events(of: path)
    change.apply(&events)
    let changed = fixture.folder.file("\(change).trace")
    let writer = try TraceWriter(path: changed, header: reader.header, machine: try reader.initialMachine())
    for event in events { try writer.append(event) }
    try writer.close(elapsed: 0)
    return changed
  }

  /// Up to there the replay is the recording's: a sound copy of it has the same states.
  @Test(arguments: Change.allCases) func itStandsWhereItLeftThePath(change: Change) throws {
    let path = try fixture.record("ticker", commandLine: "5")
    let (sound, timeline) = (try Timeline(path: path), try Timeline(path: try changed(path, change)))
    let first = #expect(throws: Divergence.self) { try timeline.seek(.end) }
    let there = try timeline.snapshot()
    #expect(try #require(there.instructions) > 100)
    _ = try sound.seek(.position(there.position))
    #expect(try sound.snapshot() == there)
    let again = #expect(throws: Divergence.self) { try timeline.stepForward() }
    #expect(again?.report == first?.report)
    #expect(try timeline.snapshot() == there)
    for _ in 0..<40 {
      #expect(try timeline.stepBackward() == .step)
      #expect(try sound.stepBackward() == .step)
      #expect(try timeline.snapshot() == sound.snapshot())
    }
    let third = #expect(throws: Divergence.self) {
      try timeline.forward(TimelineRequest(.continue), control: Permissive())
    }
    #expect(third?.report == first?.report)
    #expect(try timeline.snapshot() == there)
  }

  @Test(arguments: Change.allCases) func breakpointsAndWatchpointsAreFoundFromThere(change: Change) throws {
    let path = try fixture.record("ticker", commandLine: "5")
    let (sound, timeline) = (try Timeline(path: path), try Timeline(path: try changed(path, change)))
    _ = #expect(throws: Divergence.self) { try timeline.forward(TimelineRequest(.continue), control: Permissive()) }
    _ = try sound.seek(.position(timeline.position))
    let state = try timeline.state()
    for request in [
      TimelineRequest(.continue, breakpoints: [Symbols(ofGuest: "ticker").address("on_timer")]),
      TimelineRequest(.continue, watches: [WatchRange(.write, first: state.rsp &- 64, last: state.rsp)]),
    ] {
      #expect(try timeline.backward(request, control: Permissive()) == sound.backward(request, control: Permissive()))
      #expect(try timeline.snapshot() == sound.snapshot())
    }
    #expect(try timeline.backward(TimelineRequest(.continue), control: Permissive()) == .begin)
  }
}
