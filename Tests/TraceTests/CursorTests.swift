import Support
import Testing
import VMMCore

@testable import Trace

@Suite struct CursorTests {
  let folder = TemporaryFolder()

  private func reader(_ events: [TraceEvent]) throws -> TraceReader {
    try writeTrace(folder.file("trace"), events, flushEvery: 37)
    return try TraceReader(path: folder.file("trace"))
  }

  @Test func seekFindsEveryPlace() throws {
    var random = SeededRandom(seed: 11)
    let events = random.events(400)
    let reader = try reader(events)
    let count = ordinals(events)
    for target in 0...count {
      var cursor = reader.makeCursor()
      try cursor.seek(ordinal: target)
      #expect(cursor.ordinal == target)
      // Everything from right after the event before the target, digests included.
      var left = events[...]
      while ordinals(events.prefix(upTo: left.startIndex)) < target { left = left.dropFirst() }
      var read: [TraceEvent] = []
      while let event = try cursor.next() { read.append(event) }
      #expect(read == [TraceEvent](left))
    }
  }

  /// Marks count where nothing but the end comes behind them, in the same chunk or in a later one.
  @Test(arguments: [1, 2, 3, 37]) func onlyTheLastMarkIsHandedOut(flushEvery: Int) throws {
    func mark(_ count: UInt64) -> TraceEvent {
      .mark(Mark(at: .instructions(count, iterations: 0), instructions: count))
    }
    let path = folder.file("trace")
    let nmi = TraceEvent.delivery(.nmi, at: .here)
    try writeTrace(path, [mark(1), nmi, mark(2), mark(3), nmi, mark(4), .end(.timeout)], flushEvery: flushEvery)
    #expect(try readAll(path).events == [nmi, nmi, mark(4), .end(.timeout)])
    let ending = try TraceReader(path: path).ending
    #expect(ending.events == 2 && ending.reason == .timeout)
    #expect(ending.instructions == 4 || flushEvery < 7)
    try writeTrace(path, [nmi, mark(2), mark(3)], flushEvery: flushEvery, close: false)
    #expect(try readAll(path).events == [nmi, mark(3)])
    #expect(try TraceReader(path: path).ending.position == Position(ordinal: 1, instructions: 3))
  }

  @Test func seekBeyondTheEndStopsThere() throws {
    var random = SeededRandom(seed: 12)
    let events = random.events(50)
    var cursor = try reader(events).makeCursor()
    try cursor.seek(ordinal: 1 << 60)
    #expect(cursor.ordinal == ordinals(events))
    #expect(try cursor.next() == nil)
  }

  @Test func copyIsACheckpoint() throws {
    var random = SeededRandom(seed: 13)
    let events = random.events(300)
    var cursor = try reader(events).makeCursor()
    var checkpoints: [TraceCursor] = []
    for _ in events {
      if random.below(3) == 0 { _ = try cursor.peek() }
      checkpoints.append(cursor)
      _ = try cursor.next()
    }
    for (number, checkpoint) in checkpoints.enumerated().reversed() {
      var copy = checkpoint
      #expect(try copy.peek() == events[number])
      #expect(copy.ordinal == ordinals(events.prefix(number)))
      #expect(try copy.next() == events[number])
      #expect(try copy.next() == (number + 1 < events.count ? events[number + 1] : nil))
    }
  }

  @Test func chunkOfAnEventIsNamed() throws {
    var random = SeededRandom(seed: 14)
    let reader = try reader(random.events(100))
    var cursor = reader.makeCursor()
    #expect(cursor.chunk == nil)
    _ = try cursor.next()
    #expect(cursor.chunk == reader.eventChunks[0])
    while try cursor.next() != nil {}
    #expect(cursor.chunk == reader.eventChunks.last)
  }
}
