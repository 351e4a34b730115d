import Replay
import Support
import Testing
import Trace
import VMMCore

/// A loop in user mode whose registers repeat while it counts in memory: the place of an interrupt in it is recorded with
/// the word that counts, and found again by that.
@Suite(.enabled(if: kvmAvailable, "needs /dev/kvm")) struct MemorySpinTests {
  private let folder = TemporaryFolder()

  private static let engines = [EngineKind.kvm, .hybrid].filter(\.isOffered)

  @Test(arguments: engines) func placesAreFoundByTheWordThatCounts(engine: EngineKind) throws {
    let path = folder.file("memoryspin.trace")
    let outcome = try Recorder.record("memoryspin", to: path, commandLine: "5", engine: engine)
    #expect(outcome.end == .powerOff)
    let places = try Recorder.events(of: path).1.compactMap(\.fingerprint)
    #expect(places.count >= 4)
    // Whether registers repeat is known from the second place on; the first one may be in kernel mode.
    for place in places.dropFirst(2) { #expect(place.word != nil, "\(place)") }
    // Comparing all memory at each turn of the loop takes many times as long.
    let result = LimitedCommand(seconds: 30).run(
      CommandRunner.chronovisor, ["verify", "--engine", "software", path], in: folder.path)
    #expect(result.status == 0, "\(result)")
  }

  /// A word that is not right there is not found: what is compared is the whole state.
  @Test(arguments: engines.suffix(1)) func aWrongWordIsFound(engine: EngineKind) throws {
    let path = folder.file("memoryspin.trace")
    try Recorder.record("memoryspin", to: path, commandLine: "3", engine: engine)
    var (reader, events) = try Recorder.events(of: path)
    let index = try #require(events.lastIndex { $0.fingerprint?.word != nil })
    guard case .delivery(let delivery, .fingerprint(var place)) = events[index] else { return }
    place.word?.value ^= 1
    events[index] = .delivery(delivery, at: .fingerprint(place))
    let changed = folder.file("changed.trace")
    let writer = try TraceWriter(path: changed, header: reader.header, machine: try reader.initialMachine())
    for event in events { try writer.append(event) }
    try writer.close(elapsed: reader.duration)
    let result = LimitedCommand(seconds: 30).run(
      CommandRunner.chronovisor, ["verify", "--engine", "software", changed], in: folder.path)
    #expect(result.status == 65, "\(result)")
  }
}

extension TraceEvent {
  fileprivate var fingerprint: Fingerprint? {
    guard case .delivery(_, .fingerprint(let fingerprint)) = self else { return nil }
    return fingerprint
  }
}
