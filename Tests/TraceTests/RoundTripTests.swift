import Support
import Testing
import VMMCore

@testable import Trace

@Suite struct RoundTripTests {
  let folder = TemporaryFolder()

  @Test(arguments: [1, 2, 3, 4, 5], [3, 500])
  func eventsComeBack(seed: UInt64, flushEvery: Int) throws {
    var random = SeededRandom(seed: seed)
    let events = random.events(5000)
    let path = folder.file("trace")
    try writeTrace(path, events, flushEvery: flushEvery)
    let reader = try TraceReader(path: path)
    #expect(reader.isComplete)
    #expect(reader.damage == nil)
    #expect(reader.eventChunks.count == (events.count + flushEvery - 1) / flushEvery)
    let (read, error) = try readAll(path)
    #expect(error == nil)
    #expect(read == events)
  }

  @Test func longStreamIsCutIntoChunks() throws {
    var random = SeededRandom(seed: 9)
    let events = random.events(60_000)
    let path = folder.file("trace")
    try writeTrace(path, events, flushEvery: .max)
    let reader = try TraceReader(path: path)
    #expect(reader.eventChunks.count > 3)
    #expect(try readAll(path).events == events)
  }

  @Test(arguments: [0, 1, 300, 3 << 20])
  func guestComesBack(imageSize: Int) throws {
    let path = folder.file("trace")
    let machine = Sample.machine(imageSize: imageSize)
    try writeTrace(path, [.end(.powerOff)], machine: machine)
    let reader = try TraceReader(path: path)
    var header = Sample.header
    header.memorySize = machine.memorySize
    #expect(reader.header == header)
    #expect(reader.images.map(\.size) == [UInt64(imageSize), 0])
    #expect(try reader.initialMachine() == machine)
  }

  @Test func emptyTraceIsComplete() throws {
    let path = folder.file("trace")
    try writeTrace(path, [])
    let reader = try TraceReader(path: path)
    #expect(reader.isComplete)
    var cursor = reader.makeCursor()
    #expect(try cursor.next() == nil)
    #expect(try cursor.peek() == nil)
  }

  @Test func valuesAreCutToTheAccess() throws {
    let path = folder.file("trace")
    try writeTrace(path, [.interaction(.portRead(port: 1, size: 1), .value(0x1ff))])
    #expect(try readAll(path).events == [.interaction(.portRead(port: 1, size: 1), .value(0xff))])
  }

  @Test func largeMemoryWrites() throws {
    let path = folder.file("trace")
    var random = SeededRandom(seed: 3)
    let full = random.bytes(TraceFormat.maximumMemoryWrite)
    let event = TraceEvent.delivery(.memoryWrite(address: GuestPhysicalAddress(4096), bytes: full), at: .here)
    try writeTrace(path, [event, event, .end(.reset)])
    #expect(try readAll(path).events == [event, event, .end(.reset)])
    let tooLong = TraceEvent.delivery(.memoryWrite(address: GuestPhysicalAddress(0), bytes: full + [0]), at: .here)
    #expect(throws: TraceError.self) { try writeTrace(folder.file("second"), [tooLong]) }
  }

  @Test(arguments: [
    TraceEvent.interaction(.stopped, .none), .interaction(.portRead(port: 1, size: 3), .value(0)),
    .interaction(.portRead(port: 1, size: 1), .none), .interaction(.mmioRead(address: .init(0), size: 9), .value(0)),
    .interaction(.halt, .value(1)), .interaction(.mmioWrite(address: .init(0), size: 0, value: 0), .none),
  ])
  func impossibleEventsAreRefused(event: TraceEvent) throws {
    #expect(throws: TraceError.self) { try writeTrace(folder.file("trace"), [event]) }
    #expect(try readAll(folder.file("trace")).events.isEmpty)
  }
}
