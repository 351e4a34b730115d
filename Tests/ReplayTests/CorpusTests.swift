import Machine
import Replay
import Support
import Testing
import Trace
import VMMCore

/// The recorded traces in Traces/ replay exactly, and each says what it shows.
@Suite struct CorpusTests {
  static let traces = SourceTree.files(below: "Traces", suffix: ".trace")

  @Test func thereAreEnough() { #expect(CorpusTests.traces.count >= 8) }

  @Test(arguments: traces) func isDescribed(trace: String) {
    let folder = trace.split(separator: "/").dropLast().joined(separator: "/")
    #expect(!SourceTree.lines(of: folder + "/README.md").isEmpty, "\(folder) has no README.md")
  }

  @Test(.enabled(if: kvmAvailable, "needs /dev/kvm"), arguments: traces) func replaysExactly(trace: String) throws {
    let replayer = try TraceReplayer(path: SourceTree.root + "/" + trace, engine: nil)
    #expect(replayer.reader.isComplete)
    let first = try replayer.replay { _ in }
    for _ in 0..<2 { #expect(try replayer.replay { _ in } == first) }
  }

  /// What KVM recorded, the software engine re-executes: two engines that share no code agree on every register, every
  /// page and every output.
  @Test(arguments: traces.filter { !knownToDiffer.contains($0) }) func replaysOnTheOtherEngine(trace: String) throws {
    let outcome = try TraceReplayer(path: SourceTree.root + "/" + trace, engine: .software).replay { _ in }
    #expect(outcome.end != nil)
  }

  /// Recorded before RIP was moved on after the last unit of a REP instruction.
  static let knownToDiffer = ["Traces/strio-first/strio-first.trace"]

  /// The report says why, and what to do, instead of blaming the CPU model.
  @Test(arguments: knownToDiffer) func theOldRuleIsNamed(trace: String) throws {
    let divergence = #expect(throws: Divergence.self) {
      try TraceReplayer(path: SourceTree.root + "/" + trace, engine: .software).replay { _ in }
    }
    #expect(divergence?.report.last?.contains("older version") == true)
    #expect(divergence?.report.last?.hasSuffix("use --engine kvm") == true)
  }

  /// And so does the timeline of a debugger.
  @Test(arguments: traces.filter { !knownToDiffer.contains($0) }) func replaysOnTheTimeline(trace: String) throws {
    let timeline = try Timeline(path: SourceTree.root + "/" + trace)
    _ = try timeline.seek(.end)
    #expect(timeline.position.ordinal == timeline.eventCount)
  }
}
