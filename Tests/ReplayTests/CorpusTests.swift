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
}
