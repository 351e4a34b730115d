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
    _ = try timeline.finish()
    #expect(timeline.position.ordinal == outcome.events)
  }
}
