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

  /// There the reference host's KVM is not as the manuals say: data segments keep their selectors when IRET goes to
  /// user mode (sse, tasks), and RIP stays on a REP OUTS whose last unit is out (strio).
  static let knownToDiffer = ["Traces/sse/sse.trace", "Traces/strio/strio.trace", "Traces/tasks/tasks.trace"]
}
