import Replay
import Support
import Testing
import Trace
import VMMCore

/// Breakpoints and watchpoints in both directions, and being interrupted.
@Suite struct TimelineStopTests {
  let fixture = TimelineFixture()

  /// Short intervals, so that small guests have many checkpoints.
  private var manyCheckpoints: Timeline.Options {
    var options = Timeline.Options()
    options.interval = 700
    return options
  }

  @Test func breakpointsAreMetAtTheSamePlacesInBothDirections() throws {
    let timeline = try Timeline(path: TimelineFixture.race, options: manyCheckpoints)
    let symbols = Symbols(ofGuest: "race")
    let request = TimelineRequest(
      .continue, breakpoints: [symbols.address("on_timer"), symbols.address("increment")].sorted())
    var hits: [Timeline.Snapshot] = []
    while try timeline.forward(request, control: Permissive()) == .breakpoint { hits.append(try timeline.snapshot()) }
    #expect(hits.count > 20)
    for expected in hits.reversed() {
      #expect(try timeline.backward(request, control: Permissive()) == .breakpoint)
      #expect(try timeline.snapshot() == expected)
    }
    #expect(try timeline.backward(request, control: Permissive()) == .begin)
  }

  /// All of them lie in one segment, which is searched once; a condition that comes later counts.
  @Test func repeatedBackwardRunsMeetEveryStop() throws {
    let timeline = try Timeline(path: TimelineFixture.race)
    let request = TimelineRequest(.continue, breakpoints: [Symbols(ofGuest: "race").address("increment")])
    let control = Permissive()
    var places: [Timeline.Snapshot] = []
    while try timeline.forward(request, control: control) == .breakpoint { places.append(try timeline.snapshot()) }
    #expect(places.count > 10)
    for (number, place) in places.reversed().enumerated() {
      // Steps between the runs, as gdb takes them, change nothing.
      if number % 3 == 1 { _ = try timeline.stepBackward() }
      #expect(try timeline.backward(request, control: control) == .breakpoint)
      #expect(try timeline.snapshot() == place)
    }
    _ = try timeline.seek(.end)
    #expect(try timeline.backward(request, control: control) == .breakpoint)
    control.condition = { _ in (try? timeline.state().rbp) == 3 }
    #expect(try timeline.backward(request, control: control) == .breakpoint)
    #expect(try timeline.snapshot() == places[3])
    control.condition = { _ in true }
    #expect(try timeline.backward(request, control: control) == .breakpoint)
    #expect(try timeline.snapshot() == places[2])
    #expect(try timeline.backward(TimelineRequest(.continue), control: control) == .begin)
  }

  @Test func aConditionDecides() throws {
    let timeline = try Timeline(path: TimelineFixture.race, options: manyCheckpoints)
    let request = TimelineRequest(.continue, breakpoints: [Symbols(ofGuest: "race").address("increment")])
    let control = Permissive()
    // The rounds done are in RBP.
    control.condition = { _ in (try? timeline.state().rbp) == 7 }
    #expect(try timeline.forward(request, control: control) == .breakpoint)
    #expect(try timeline.state().rbp == 7)
    #expect(control.reports == 8)
    _ = try timeline.seek(.end)
    #expect(try timeline.backward(request, control: control) == .breakpoint)
    #expect(try timeline.state().rbp == 7)
  }

  /// The same inside the engine: nobody is asked where it does not hold. By a register, and by memory.
  @Test(arguments: [false, true]) func aConditionDecidesInTheEngine(byMemory: Bool) throws {
    let timeline = try Timeline(path: TimelineFixture.race, options: manyCheckpoints)
    let symbols = Symbols(ofGuest: "race")
    let (increment, counter) = (symbols.address("increment"), symbols.address("counter"))
    func value() -> UInt8? { timeline.read(linear: counter, count: 8).first }
    let control = Permissive()
    control.condition = { _ in (try? timeline.state().rbp) == 7 }
    let asked = TimelineRequest(.continue, breakpoints: [increment])
    #expect(try timeline.forward(asked, control: control) == .breakpoint)
    let wanted = byMemory ? try #require(value()) : 7
    let register: [UInt8] = [0x26, 0, 5]
    let memory: [UInt8] = [0x24] + (0..<4).reversed().map { UInt8(truncatingIfNeeded: counter >> (8 * $0)) } + [0x1a]
    let program = (byMemory ? memory : register) + [0x22, wanted, 0x13, 0x27]
    let condition = StopCondition(
      programs: [try #require(AgentExpression(program))], registers: (0..<16).map { .general($0) })
    if byMemory { control.condition = { _ in value() == wanted } }
    _ = try timeline.seek(.begin)
    control.reports = 0
    #expect(try timeline.forward(asked, control: control) == .breakpoint)
    let place = try timeline.snapshot()
    #expect(control.reports > 5)
    let decided = TimelineRequest(.continue, breakpoints: [increment], conditions: [increment: [condition]])
    _ = try timeline.seek(.begin)
    control.reports = 0
    #expect(try timeline.forward(decided, control: control) == .breakpoint)
    #expect(try timeline.snapshot() == place)
    #expect(control.reports == 1)
    while try timeline.forward(decided, control: control) == .breakpoint {}
    control.reports = 0
    while try timeline.backward(decided, control: control) == .breakpoint, try timeline.snapshot() != place {}
    #expect(try timeline.snapshot() == place)
    // A condition without a value asks, and so does one that needs more than the engine knows.
    for unknown in [[0x22, 1, 0x22, 0, 0x05, 0x27], [0x26, 0, 99, 0x27]] as [[UInt8]] {
      let condition = StopCondition(
        programs: [try #require(AgentExpression(unknown))], registers: (0..<16).map { .general($0) })
      _ = try timeline.seek(.begin)
      control.reports = 0
      let request = TimelineRequest(.continue, breakpoints: [increment], conditions: [increment: [condition]])
      #expect(try timeline.forward(request, control: control) == .breakpoint)
      #expect(try timeline.snapshot() == place)
      #expect(control.reports > 5)
    }
  }

  /// The demonstration: from the failing end back to the interrupt between load and store.
  @Test func aWatchpointFindsTheLostUpdate() throws {
    let timeline = try Timeline(path: TimelineFixture.race)
    let counter = Symbols(ofGuest: "race").address("counter")
    let watch = WatchRange(.write, first: counter, last: counter + 7)
    let request = TimelineRequest(.continue, watches: [watch])
    func value() -> UInt64 { timeline.read(linear: counter, count: 8).reversed().reduce(0) { $0 << 8 | UInt64($1) } }
    _ = try timeline.seek(.end)
    // The writes from the last to the first: where each happened and what it replaced.
    var writes: [(rip: UInt64, old: UInt64, position: Position)] = []
    while try timeline.backward(request, control: Permissive()) == .watch(watch, address: counter) {
      writes.append((try timeline.state().linearRIP, value(), timeline.position))
    }
    #expect(writes.last?.old == 0)
    // A lost update: what is stored is no more than what was there already.
    _ = try timeline.seek(.begin)
    var forward: [UInt64] = [0]
    while try timeline.forward(request, control: Permissive()) == .watch(watch, address: counter) {
      forward.append(value())
    }
    #expect(forward.count == writes.count + 1)
    #expect(forward.dropLast() == writes.map(\.old).reversed()[...])
    let lost = try #require(zip(forward, forward.dropFirst()).enumerated().first { $0.element.1 <= $0.element.0 })
    // The write before it is the handler's.
    let handlers = writes.reversed()[lost.offset - 1]
    #expect(handlers.rip == Symbols(ofGuest: "race").address("on_timer") + 1)
  }

  @Test func readsAndAccessesAreWatchedToo() throws {
    let timeline = try Timeline(path: TimelineFixture.race)
    let counter = Symbols(ofGuest: "race").address("counter")
    func count(_ kind: WatchRange.Kind) throws -> Int {
      _ = try timeline.seek(.begin)
      var count = 0
      let watch = WatchRange(kind, first: counter + 1, last: counter + 1)
      let request = TimelineRequest(.continue, watches: [watch])
      while case .watch = try timeline.forward(request, control: Permissive()) { count += 1 }
      return count
    }
    let (reads, writes, both) = (try count(.read), try count(.write), try count(.access))
    #expect(writes > 10 && reads >= writes)
    #expect(both >= reads && both <= reads + writes)
  }

  @Test func aRunCanBeInterrupted() throws {
    var options = Timeline.Options()
    options.interval = 100_000
    let timeline = try fixture.timeline("compute", commandLine: "400000", options: options)
    let control = Permissive()
    control.stopAfter = 2
    #expect(try timeline.forward(TimelineRequest(.continue), control: control) == .interrupted)
    let place = try timeline.snapshot()
    #expect(place.position > .begin)
    _ = try timeline.seek(.end)
    control.polls = 0
    // A breakpoint in the loop that is never to be reported.
    control.condition = { _ in false }
    let nowhere = TimelineRequest(.continue, breakpoints: [place.rip])
    #expect(try timeline.backward(nowhere, control: control) == .interrupted)
    _ = try timeline.seek(.position(place.position))
    #expect(try timeline.snapshot() == place)
    _ = try timeline.finish()
  }
}
