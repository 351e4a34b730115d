import Glibc
import Support
import Testing
import VMMCore

@testable import Trace

/// A recording is never lost: what has a name keeps it until the new trace can be replayed.
@Suite struct OutputPlaceTests {
  let folder = TemporaryFolder()
  var path: String { folder.file("trace") }
  var partial: String { path + ".partial" }

  private func begin(_ path: String, onlyWhole: Bool = false) throws -> TraceWriter {
    try TraceWriter(path: path, header: Sample.header, machine: Sample.machine(), onlyWhole: onlyWhole)
  }

  private func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  private func refusal(_ path: String) -> TraceError? {
    #expect(throws: TraceError.self) { try begin(path) }
  }

  @Test func theEarlierTraceStaysUntilAnEventIsWritten() throws {
    try writeTrace(path, [.end(.reset)])
    let earlier = contents(of: path)
    let writer = try begin(path)
    try writer.append(.digest(StateDigest(cpu: 1, memory: 2, output: 3, instructions: 0)))
    try writer.flush(elapsed: 1)
    #expect(contents(of: path) == earlier)
    #expect(!writer.isInPlace)
    try writer.append(.interaction(.halt, .none))
    #expect(contents(of: path) == earlier)
    try writer.flush(elapsed: 2)
    #expect(writer.isInPlace)
    #expect(try readAll(path).events.count == 2)
    #expect(!exists(partial))
  }

  @Test func anAbandonedTraceLeavesTheEarlierOne() throws {
    try writeTrace(path, [.end(.reset)])
    let earlier = contents(of: path)
    var writer: TraceWriter? = try begin(path)
    #expect(exists(partial))
    #expect(writer?.isInPlace == false)
    writer = nil
    #expect(!exists(partial))
    #expect(contents(of: path) == earlier)
  }

  @Test func anAbandonedTraceTakesAFreeName() throws {
    do { _ = try begin(path) }
    #expect(!exists(partial))
    #expect(try readAll(path).events.isEmpty)
    #expect(try !TraceReader(path: path).isComplete)
  }

  @Test func aTraceThatIsToBeWholeTakesItsNameAtTheEnd() throws {
    let writer = try begin(path, onlyWhole: true)
    try writer.append(.interaction(.halt, .none))
    try writer.flush(elapsed: 1)
    #expect(!exists(path))
    try writer.close(elapsed: 2)
    #expect(try TraceReader(path: path).isComplete)
    #expect(!exists(partial))
  }

  @Test(arguments: [false, true]) func oneRecorderForEachName(isInPlace: Bool) throws {
    let first = try begin(path)
    try first.append(.interaction(.halt, .none))
    if isInPlace { try first.flush(elapsed: 1) }
    #expect(refusal(path)?.kind == .busy)
    try first.close(elapsed: 2)
    #expect(try readAll(path).events.count == 1)
    #expect(exists(partial) == false)
  }

  @Test func anotherTraceMayFollow() throws {
    try begin(path).close(elapsed: 1)
    try begin(path).close(elapsed: 2)
    #expect(try TraceReader(path: path).duration == 2)
  }

  @Test func whatAKilledRecorderLeftIsTakenOver() throws {
    store(TraceFormat.fileHeader + [1, 2, 3], in: partial)
    try writeTrace(path, [.end(.reset)])
    #expect(try readAll(path).events == [.end(.reset)])
    #expect(!exists(partial))
  }

  @Test func anotherFileOfTheProvisionalNameIsLeftAlone() throws {
    store([1, 2, 3], in: partial)
    #expect(refusal(path)?.description.contains("is no trace") == true)
    #expect(contents(of: partial) == [1, 2, 3])
  }

  @Test func throughALink() throws {
    try writeTrace(path, [.end(.reset)])
    let link = folder.file("link")
    #expect(unsafe symlink("trace", link) == 0)
    try writeTrace(link, [.end(.timeout)])
    #expect(try readAll(path).events == [.end(.timeout)])
    #expect(unsafe unlink(path) == 0)
    #expect(refusal(link)?.description.contains("a link to nothing") == true)
  }

  @Test func whatIsNoFile() throws {
    #expect(refusal(folder.path)?.description.contains("Is a directory") == true)
    let fifo = folder.file("fifo")
    #expect(unsafe mkfifo(fifo, 0o600) == 0)
    #expect(refusal(fifo)?.description.contains("FIFO") == true)
  }

  @Test func devicesAreWrittenAsTheyAre() throws {
    try writeTrace("/dev/null", [.end(.reset)])
    #expect(exists("/dev/null"))
  }
}
