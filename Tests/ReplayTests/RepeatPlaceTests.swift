import Machine
import Replay
import Support
import Testing
import Trace
import VMMCore

/// Interrupts between two iterations of a REP instruction: recorded with their iteration, and replayed there.
@Suite struct RepeatPlaceTests {
  let folder = TemporaryFolder()

  /// A recording of `rep` with chaos, and its deliveries that lie inside a REP instruction.
  private func record() throws -> (path: String, inside: [TraceEvent]) {
    let path = folder.file("rep.trace")
    var options = RecordOptions()
    options.chaosSeed = 3
    let outcome = try Recorder.record("rep", to: path, engine: .software, options: options)
    #expect(outcome.end == .powerOff)
    return (path, try Recorder.events(of: path).1.filter(\.isInsideRepeat))
  }

  @Test func chaosPlacesInterruptsInsideRepeats() throws {
    let (path, inside) = try record()
    #expect(inside.count >= 3)
    var text: [UInt8] = []
    let replayer = try TraceReplayer(path: path, engine: nil)
    let first = try replayer.replay { text.append($0) }
    // The handler has seen them.
    #expect(String(decoding: text, as: UTF8.self).contains("interrupts: 20, inside: \(inside.count), hash: "))
    #expect(try replayer.replay { _ in } == first)
  }

  @Test func anotherIterationIsFound() throws {
    let (path, _) = try record()
    let (reader, recorded) = try Recorder.events(of: path)
    guard let index = recorded.firstIndex(where: { $0.isInsideRepeat }) else { return }
    guard case .delivery(let delivery, .instructions(let count, let iterations)) = recorded[index] else { return }
    let changed = folder.file("changed.trace")
    for other in [iterations - 1, iterations + 1, 0, 1 << 40] {
      var events = recorded
      events[index] = .delivery(delivery, at: .instructions(count, iterations: other))
      let writer = try TraceWriter(path: changed, header: reader.header, machine: try reader.initialMachine())
      for event in events { try writer.append(event) }
      try writer.close(elapsed: 0)
      #expect(throws: Divergence.self) { try TraceReplayer(path: changed, engine: nil).replay { _ in } }
    }
  }

  @Test func resolvingKeepsTheIterations() throws {
    let (path, _) = try record()
    let resolved = folder.file("resolved.trace")
    _ = try TraceReplayer(path: path, engine: .software).resolve(to: resolved)
    #expect(try Recorder.events(of: resolved).1 == Recorder.events(of: path).1)
    // By the times of the chunks replays are bounded.
    let (mine, its) = (try TraceReader(path: resolved), try TraceReader(path: path))
    #expect(mine.eventChunks.map(\.elapsed) == its.eventChunks.map(\.elapsed) && mine.duration == its.duration)
  }

  @Test(.enabled(if: kvmAvailable, "needs /dev/kvm")) func isRefusedOnKVM() throws {
    let (path, _) = try record()
    let error = #expect(throws: EngineError.self) { try TraceReplayer(path: path, engine: .kvm).replay { _ in } }
    #expect(error?.description.contains("inside a REP instruction") == true)
    #expect(error?.description.contains("--engine software") == true)
  }
}

extension TraceEvent {
  fileprivate var isInsideRepeat: Bool {
    guard case .delivery(_, .instructions(_, let iterations)) = self else { return false }
    return iterations > 0
  }
}
