import Machine
import Replay
import Support
import Testing
import Trace
import VMMCore

/// A loop in user mode whose registers repeat while it counts in memory: the place of an interrupt in it is recorded
/// with the word that counts, and found again by that.
@Suite(.enabled(if: kvmAvailable, "needs /dev/kvm")) struct MemorySpinTests {
  private let folder = TemporaryFolder()

  private static let engines = [EngineKind.kvm, .hybrid].filter(\.isOffered)

  /// A recording with interrupts in the loop. On a busy host all of them may come right behind the one before, where
  /// instructions are counted; `nil` when that was always so.
  private func record(_ engine: EngineKind) throws -> (path: String, events: [TraceEvent])? {
    let path = folder.file("memoryspin.trace")
    for _ in 0..<10 {
      let outcome = try Recorder.record("memoryspin", to: path, commandLine: "10", engine: engine)
      #expect(outcome.end == .powerOff)
      let events = try Recorder.events(of: path).1
      if events.compactMap(\.fingerprint).count > 2 { return (path, events) }
    }
    return nil
  }

  /// The status of `verify`. Comparing all memory at each turn of the loop takes many times as long as the limit.
  private func verify(_ path: String) -> Int32 {
    LimitedCommand(seconds: 30).run(
      CommandRunner.chronovisor, ["verify", "--engine", "software", path], in: folder.path
    ).status
  }

  @Test(arguments: engines) func placesAreFoundByTheWordThatCounts(engine: EngineKind) throws {
    guard let (path, events) = try record(engine) else { return }
    // Whether registers repeat is known from the third place on.
    for place in events.compactMap(\.fingerprint).dropFirst(2) { #expect(place.word != nil, "\(place)") }
    #expect(verify(path) == 0)
  }

  /// A word that is not right there is not found: what is compared is the whole state.
  @Test(arguments: engines) func aWrongWordIsFound(engine: EngineKind) throws {
    guard var (path, events) = try record(engine) else { return }
    guard let index = events.lastIndex(where: { $0.fingerprint?.word != nil }),
      case .delivery(let delivery, .fingerprint(var place)) = events[index]
    else { return }
    place.word?.value ^= 1
    // How long a replay looks for it depends on the time that it took, which is not for a busy host to say.
    if let before = events[..<index].compactMap({ $0.fingerprint?.time }).last { place.time = before + 2_000_000 }
    events[index] = .delivery(delivery, at: .fingerprint(place))
    let reader = try TraceReader(path: path)
    path = folder.file("changed.trace")
    let writer = try TraceWriter(path: path, header: reader.header, machine: try reader.initialMachine())
    for event in events { try writer.append(event) }
    try writer.close(elapsed: reader.duration)
    #expect(verify(path) == 65)
  }
}

extension TraceEvent {
  fileprivate var fingerprint: Fingerprint? {
    guard case .delivery(_, .fingerprint(let fingerprint)) = self else { return nil }
    return fingerprint
  }
}
