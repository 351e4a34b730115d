import Replay
import Support
import Testing
import Trace
import VMMCore

/// Places inside REP instructions: interrupts there, positions, and watchpoints that are hit there.
@Suite struct TimelineRepeatTests {
  let fixture = TimelineFixture()
  let symbols = Symbols(ofGuest: "rep")
  private static let count: UInt64 = 4096

  /// A timeline of `rep` with interrupts inside its REP instructions, and their positions.
  private func timeline() throws -> (Timeline, [Position]) {
    var options = RecordOptions()
    options.chaosSeed = 3
    let path = try fixture.record("rep", options: options)
    var places: [Position] = []
    var ordinal: UInt64 = 0
    for event in try Recorder.events(of: path).1 {
      switch event {
      case .delivery(_, .instructions(let count, let iterations)):
        if iterations > 0 { places.append(Position(ordinal: ordinal, instructions: count, iterations: iterations)) }
        ordinal += 1
      case .delivery, .interaction: ordinal += 1
      default: break
      }
    }
    var short = Timeline.Options()
    short.interval = 700
    return (try Timeline(path: path, options: short), places)
  }

  private var instructions: [UInt64] {
    ["do_stos", "do_movs", "do_cmps", "do_scas"].map { symbols.address($0) }
  }

  @Test func aStepFromARepeatEntersTheHandlerAndBack() throws {
    let (timeline, places) = try timeline()
    let handler = symbols.address("on_timer")
    for place in places.reversed() {
      _ = try timeline.seek(.position(Position(ordinal: place.ordinal, instructions: place.instructions)))
      let begin = try timeline.snapshot()
      #expect(instructions.contains(begin.rip))
      #expect(try timeline.state().rcx == TimelineRepeatTests.count)
      #expect(try timeline.stepForward() == .step)
      let inHandler = try timeline.snapshot()
      #expect(inHandler.rip == handler)
      #expect(inHandler.position == Position(ordinal: place.ordinal + 1))
      #expect(try timeline.state().rcx == TimelineRepeatTests.count - place.iterations)
      #expect(try timeline.stepBackward() == .step)
      #expect(try timeline.snapshot() == begin)
      #expect(try timeline.stepForward() == .step)
      #expect(try timeline.snapshot() == inHandler)
    }
    _ = try timeline.finish()
  }

  @Test func iterationsAreSoughtInAnyOrder() throws {
    let (timeline, places) = try timeline()
    let place = try #require(places.first)
    let last = place.iterations
    for iterations in [1, last - 1, last / 2, last / 2 + 1, 2, last - 1, 1] {
      let position = Position(
        ordinal: place.ordinal, instructions: place.instructions, iterations: iterations)
      #expect(try timeline.seek(.position(position)) == .step)
      #expect(timeline.position == position)
      let state = try timeline.state()
      #expect(state.rcx == TimelineRepeatTests.count - iterations)
      #expect(instructions.contains(state.linearRIP))
      #expect(try timeline.stepBackward() == .step)
      #expect(timeline.position == Position(ordinal: place.ordinal, instructions: place.instructions))
      _ = try timeline.seek(.position(position))
      #expect(try timeline.stepForward() == .step)
      #expect(timeline.position == Position(ordinal: place.ordinal + 1))
    }
    let here = try timeline.snapshot()
    let beyond = Position(ordinal: place.ordinal, instructions: place.instructions, iterations: last + 1)
    #expect(throws: TimelineError.self) { try timeline.seek(.position(beyond)) }
    #expect(try timeline.snapshot() == here)
    _ = try timeline.finish()
  }

  @Test func aWatchpointStopsOnceForARepeat() throws {
    let (timeline, _) = try timeline()
    let first = symbols.address("target") + 2500
    let watch = WatchRange(.write, first: first, last: first + 7)
    let request = TimelineRequest(.continue, watches: [watch])
    func value() -> [UInt8] { timeline.read(linear: first, count: 8) }
    var after: [[UInt8]] = [value()]
    var hits: [Position] = []
    // Two rounds: STOS and MOVS in each.
    for number in 0..<4 {
      guard case .watch(watch, let address) = try timeline.forward(request, control: Permissive()) else {
        Issue.record("no stop \(number)")
        return
      }
      let state = try timeline.state()
      #expect(address == first)
      // Behind the instruction, or where an interrupt in it is about to come.
      let instruction = symbols.address(number % 2 == 0 ? "do_stos" : "do_movs")
      #expect(state.rcx == 0 ? state.linearRIP == instruction + 2 : state.linearRIP == instruction)
      #expect(state.rdi >= first + 8)
      after.append(value())
      hits.append(timeline.position)
    }
    #expect(zip(after, after.dropFirst()).allSatisfy { $0.0 != $0.1 })
    // Backward: each stop holds what was there before.
    for old in after.dropLast().reversed() {
      guard case .watch = try timeline.backward(request, control: Permissive()) else {
        Issue.record("no stop on the way back")
        return
      }
      #expect(value() == old)
    }
    #expect(try timeline.backward(request, control: Permissive()) == .begin)
    for hit in hits {
      _ = try timeline.forward(request, control: Permissive())
      #expect(timeline.position == hit)
    }
    _ = try timeline.finish()
  }

  /// Interrupts split the instruction: one stop for each part that writes watched bytes, each with its own way back.
  @Test func aWatchpointStopsOnceForEachPartOfASplitRepeat() throws {
    let (timeline, places) = try timeline()
    let place = try #require(places.first)
    _ = try timeline.seek(.position(place))
    #expect(try timeline.state().rcx == TimelineRepeatTests.count - place.iterations)
    let (begin, end) = (symbols.address("target"), symbols.address("target") + TimelineRepeatTests.count - 1)
    let request = TimelineRequest(.continue, watches: [WatchRange(.write, first: begin, last: end)])
    let starts = TimelineRequest(
      .continue, breakpoints: [symbols.address("do_stos"), symbols.address("do_movs")].sorted())
    _ = try timeline.seek(.begin)
    var hits = 0
    while case .watch = try timeline.forward(request, control: Permissive()) { hits += 1 }
    var back = 0
    while case .watch = try timeline.backward(request, control: Permissive()) { back += 1 }
    // The instruction begins anew behind each interrupt.
    var parts = 0
    while try timeline.forward(starts, control: Permissive()) == .breakpoint { parts += 1 }
    #expect(hits == parts)
    #expect(back == parts)
    #expect(parts > 2 * places.count)
    _ = try timeline.finish()
  }

  @Test func inputIntoWatchedMemoryStopsBehindIt() throws {
    let timeline = try fixture.timeline("strio")
    let strio = Symbols(ofGuest: "strio")
    let address = strio.address("buffer") + 100 + 1500
    let request = TimelineRequest(.continue, watches: [WatchRange(.write, first: address, last: address)])
    // REP STOSB clears it, REP INSB fills it.
    for expected: UInt8 in [0x55, 0xff] {
      guard case .watch = try timeline.forward(request, control: Permissive()) else {
        Issue.record("no stop")
        return
      }
      #expect(timeline.read(linear: address, count: 2) == [expected, expected])
      #expect(try timeline.state().rcx == 0)
    }
    let there = try timeline.snapshot()
    guard case .watch = try timeline.backward(request, control: Permissive()) else {
      Issue.record("no stop on the way back")
      return
    }
    #expect(timeline.read(linear: address, count: 1) == [0x55])
    guard case .watch = try timeline.forward(request, control: Permissive()) else {
      Issue.record("no stop the second time")
      return
    }
    #expect(try timeline.snapshot() == there)
    _ = try timeline.finish()
  }
}
