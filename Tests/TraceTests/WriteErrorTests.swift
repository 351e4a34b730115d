import Glibc
import Support
import Testing
import VMMCore

@testable import Trace

@Suite struct WriteErrorTests {
  let folder = TemporaryFolder()

  @Test(arguments: ["/", "/nowhere/to/be/found", ""])
  func whatCannotBeCreated(path: String) throws {
    let error = #expect(throws: TraceError.self) { try writeTrace(path, []) }
    #expect(error?.kind == .file)
    #expect(error?.isDataError == false)
  }

  @Test func fullDisk() throws {
    let error = #expect(throws: TraceError.self) { try writeTrace("/dev/full", []) }
    #expect(error?.description.contains("No space left on device") == true)
    #expect(unsafe access("/dev/full", F_OK) == 0)
  }

  @Test func guestThatDoesNotFitLeavesNoFile() throws {
    var machine = Sample.machine()
    machine.memorySize = 4097
    #expect(throws: TraceError.self) { try writeTrace(folder.file("trace"), [], machine: machine) }
    #expect(unsafe access(folder.file("trace"), F_OK) != 0)
  }

  /// A pipe whose reader goes away, as an example of a write that fails later.
  @Test func laterErrorStays() throws {
    var ends: [Int32] = [0, 0]
    #expect(unsafe pipe(&ends) == 0)
    let writer = try TraceWriter(
      file: OutputFile(writing: ends[1], path: "a pipe"),
      TraceWriter.description(of: Sample.header, Sample.machine()), Sample.machine())
    try writer.append(.interaction(.halt, .none))
    try writer.flush(elapsed: 1)
    close(ends[0])
    try writer.append(.interaction(.halt, .none))
    let error = try #require(throws: TraceError.self) { try writer.flush(elapsed: 2) }
    #expect(error.description.contains("Broken pipe"))
    #expect(throws: error) { try writer.append(.interaction(.halt, .none)) }
    #expect(throws: error) { try writer.close(elapsed: 3) }
  }

  @Test func closedTraceTakesNoMore() throws {
    let writer = try TraceWriter(path: folder.file("trace"), header: Sample.header, machine: Sample.machine())
    try writer.close(elapsed: 1)
    try writer.close(elapsed: 2)
    #expect(throws: TraceError.self) { try writer.append(.end(.reset)) }
    #expect(try TraceReader(path: folder.file("trace")).isComplete)
  }

  @Test(arguments: ["a kernel", "x"])
  func otherFilesAreLeftAlone(text: String) throws {
    let path = folder.file("kernel")
    store([UInt8](text.utf8), in: path)
    let error = #expect(throws: TraceError.self) { try writeTrace(path, []) }
    #expect(error?.description.contains("is no trace") == true)
    #expect(contents(of: path) == [UInt8](text.utf8))
  }

  @Test func emptyFileIsFilled() throws {
    store([], in: folder.file("trace"))
    try writeTrace(folder.file("trace"), [])
    #expect(try TraceReader(path: folder.file("trace")).isComplete)
  }

  @Test func oldTraceIsReplaced() throws {
    let path = folder.file("trace")
    var random = SeededRandom(seed: 1)
    try writeTrace(path, random.events(1000))
    try writeTrace(path, [.end(.reset)])
    #expect(try readAll(path).events == [.end(.reset)])
  }
}
