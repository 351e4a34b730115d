@testable import Replay
import Machine
import Support
import Testing
import VMMCore

@testable import Trace

/// How long the guest can have taken to an event, by the times of the chunks around it.
@Suite struct EventDistanceTests {
  let folder = TemporaryFolder()

  /// The times that the recording of `hello` leaves to each of the first events, where the first comes late: until then
  /// only marks were written, every 100 ms.
  private func times(marks: UInt64) throws -> [UInt64?] {
    let original = folder.file("hello.trace")
    try Recorder.record("hello", to: original, engine: .software)
    let (reader, events) = try Recorder.events(of: original)
    let path = folder.file("late.trace")
    let writer = try TraceWriter(path: path, header: reader.header, machine: try reader.initialMachine())
    for number in 1...marks {
      let mark = Mark(at: .instructions(number * 100_000_000, iterations: 0), instructions: number * 100_000_000)
      try writer.append(.mark(mark))
      try writer.flush(elapsed: number * 100_000_000)
    }
    let (interactions, end) = (events.filter { if case .interaction = $0 { true } else { false } }, events.last)
    for event in interactions.prefix(3) { try writer.append(event) }
    if let end { try writer.append(end) }
    try writer.close(elapsed: (marks + 1) * 100_000_000)
    var cursor = try TraceReader(path: path).makeCursor()
    var times: [UInt64?] = []
    while let event = try cursor.next() {
      if case .interaction = event { times.append(EventDistance.time(to: cursor)) }
    }
    return times
  }

  @Test func beforeTheFirstEventThereIsNothing() throws {
    let times = try times(marks: 7)
    try #require(times.count == 3)
    #expect(times == [800_000_000, 100_000_000, 100_000_000])
  }
}
