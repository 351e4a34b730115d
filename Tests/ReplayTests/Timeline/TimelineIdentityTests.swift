import Replay
import Support
import Testing
import Trace
import VMMCore

/// Whatever a user does, the replay stays the recorded run.
@Suite struct TimelineIdentityTests {
  let fixture = TimelineFixture()

  @Test(arguments: ["race", "tasks", "faults"]) func aRandomWalkEndsWhereTheRecordingDid(guest: String) throws {
    let path =
      guest == "race" ? TimelineFixture.race : try fixture.record(guest, commandLine: guest == "faults" ? "40" : "2")
    var options = Timeline.Options()
    options.interval = 1500
    options.checkpointMemory = 1 << 20
    let timeline = try Timeline(path: path, options: options)
    let end = try timeline.finish()
    var walk = try Walk(timeline, seed: LongTests.seed)
    for _ in 0..<(LongTests.areOn ? 5000 : 150) { try walk.go() }
    #expect(try timeline.finish() == end)
    _ = try timeline.seek(.begin)
    #expect(try timeline.finish() == end)
  }

  @Test func checkpointsKeepToTheirBudget() throws {
    var options = Timeline.Options()
    options.interval = 500
    options.checkpointMemory = 1 << 20
    let timeline = try fixture.timeline("faults", commandLine: "200", options: options)
    let begin = timeline.checkpointBytes
    let end = try timeline.finish()
    #expect(timeline.checkpointBytes <= max(options.checkpointMemory, begin) + 256 << 12)
    #expect(timeline.checkpointCount > 3)
    for _ in 0..<50 { _ = try timeline.stepBackward() }
    #expect(try timeline.finish() == end)
  }

  @Test func placesAreFoundAgain() throws {
    let timeline = try Timeline(path: TimelineFixture.race)
    var places: [Timeline.Snapshot] = []
    for share in [9, 2, 7, 5, 1] {
      _ = try timeline.seek(.instruction(UInt64(share) * 500))
      places.append(try timeline.snapshot())
      #expect(timeline.instructions == UInt64(share) * 500)
    }
    let mark = try timeline.createMark(note: "here")
    for place in places {
      #expect(try timeline.seek(.position(place.position)) == .step)
      #expect(try timeline.snapshot() == place)
    }
    #expect(try timeline.seek(.mark(mark.number)) == .step)
    #expect(try timeline.snapshot() == places.last)
    for wrong in [
      TimelinePlace.position(Position(ordinal: 1 << 40)), .instruction(1 << 40), .mark(77),
      .position(Position(ordinal: 3, instructions: 1 << 30)),
    ] {
      #expect(throws: TimelineError.self) { try timeline.seek(wrong) }
      #expect(try timeline.snapshot() == places.last)
    }
    try timeline.deleteMark(mark.number)
    #expect(timeline.marks.isEmpty)
  }

  @Test func aDiversionLeavesNoTrace() throws {
    let timeline = try Timeline(path: TimelineFixture.race)
    let end = try timeline.finish()
    _ = try timeline.seek(.instruction(2000))
    let place = try timeline.snapshot()
    let counter = Symbols(ofGuest: "race").address("counter")
    #expect(throws: TimelineError.self) { try timeline.write([1], linear: counter) }
    try timeline.beginDiversion()
    try timeline.write([0xee, 0xff], linear: counter)
    #expect(timeline.read(linear: counter, count: 2) == [0xee, 0xff])
    var state = try timeline.state()
    state.rax = 77
    try timeline.setState(state)
    for _ in 0..<100 { #expect(try timeline.stepForward() == .step) }
    #expect(throws: TimelineError.self) { try timeline.stepBackward() }
    try timeline.endDiversion()
    #expect(try timeline.snapshot() == place)
    #expect(try timeline.finish() == end)
  }

  @Test func memoryThatIsNotThereIsNotRead() throws {
    let timeline = try fixture.timeline("hello")
    #expect(timeline.read(linear: 0x8000_0000_0000_0000, count: 16).isEmpty)
    #expect(timeline.read(linear: .max - 3, count: 16).count <= 4)
    #expect(timeline.read(physical: GuestPhysicalAddress(16 << 20), count: 1).isEmpty)
    #expect(timeline.read(physical: GuestPhysicalAddress((16 << 20) - 8), count: 100).count == 8)
  }
}

/// Random commands on a timeline.
private struct Walk {
  private let timeline: Timeline
  private var random: SeededRandom
  private let breakpoint: UInt64
  private let watch: WatchRange
  private let total: UInt64

  init(_ timeline: Timeline, seed: UInt64) throws {
    self.timeline = timeline
    random = SeededRandom(seed: seed)
    total = timeline.totalInstructions ?? 1000
    _ = try timeline.seek(.instruction(700))
    breakpoint = try timeline.state().linearRIP
    let stack = try timeline.state().rsp
    watch = WatchRange(.write, first: stack &- 16, last: stack &- 1)
  }

  mutating func go() throws {
    let control = Permissive()
    control.stopAfter = 1 + random.below(4)
    switch random.below(10) {
    case 0, 1: for _ in 0..<random.below(20) { _ = try timeline.stepForward() }
    case 2, 3: for _ in 0..<random.below(20) { _ = try timeline.stepBackward() }
    case 4: _ = try timeline.forward(TimelineRequest(.continue, breakpoints: [breakpoint]), control: control)
    case 5: _ = try timeline.backward(TimelineRequest(.continue, breakpoints: [breakpoint]), control: control)
    case 6: _ = try timeline.forward(TimelineRequest(.continue, watches: [watch]), control: control)
    case 7: _ = try timeline.backward(TimelineRequest(.continue, watches: [watch]), control: control)
    case 8: _ = try timeline.seek(.instruction(random.next() % total), control: control)
    default:
      try timeline.beginDiversion()
      // It may come to an end of its own.
      for _ in 0..<5 { _ = try? timeline.stepForward() }
      try timeline.endDiversion()
    }
  }
}
