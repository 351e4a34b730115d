import Support
import Testing

@testable import Trace

private let python = ["/usr/bin/python3", "/usr/local/bin/python3"].first { !bytesOfFile($0).isEmpty }

/// FORMAT.md is enough to write a reader from: one in Python, which was written from it, and takes the names of the
/// state's fields out of it, reads what `dump` reads.
@Suite(.enabled(if: python != nil, "needs python3")) struct FormatReaderTests {
  private let folder = TemporaryFolder()

  private func read(_ path: String) throws -> CommandRunner.Result {
    CommandRunner.run(
      try #require(python),
      [
        SourceTree.root + "/Tests/FormatReader/trace_reader.py", SourceTree.root + "/Sources/Trace/FORMAT.md", path,
      ])
  }

  private func isReadAlike(_ path: String) throws {
    let theirs = try read(path)
    let ours = CommandRunner.chronovisor("dump", "--json", path)
    #expect(theirs.status == 0 && ours.status == 0, "\(theirs.errors)\(ours.errors)")
    #expect(theirs.output == ours.output && theirs.output.count > 100, "\(path)")
  }

  @Test(arguments: SourceTree.files(below: "Traces", suffix: ".trace")) func corpus(trace: String) throws {
    try isReadAlike(SourceTree.root + "/" + trace)
  }

  /// Every kind of record, in several chunks. Digests of random output are none of anything.
  @Test func randomEvents() throws {
    var random = SeededRandom(seed: LongTests.seed)
    let path = folder.file("random.trace")
    let events = random.events(2000).filter { if case .digest = $0 { false } else { true } }
    try writeTrace(path, events, flushEvery: 300)
    try isReadAlike(path)
  }

  @Test func damageIsNoticed() throws {
    let bytes = contents(of: SourceTree.root + "/Traces/hello/hello.trace")
    for offset in stride(from: 3, to: bytes.count, by: bytes.count / 12) {
      var changed = bytes
      changed[offset] ^= 4
      store(changed, in: folder.file("changed.trace"))
      #expect(try read(folder.file("changed.trace")).status == 65, "byte \(offset)")
    }
  }
}
