import Replay
import Support
import Testing
import Trace
import VMMCore

/// Backward runs leave out what cannot hold a stop: they must find what a search through everything finds.
@Suite struct TimelineSearchTests {
  let fixture = TimelineFixture()

  /// The first places of a recording, in order: what is executed next there.
  private func places(_ path: String) throws -> [Timeline.Snapshot] {
    let timeline = try Timeline(path: path)
    var places = [try timeline.snapshot()]
    while places.count < 4000, try timeline.stepForward() == .step { places.append(try timeline.snapshot()) }
    return places
  }

  /// The stops of a forward run that leaves nothing out, up to a position.
  private func stops(_ path: String, _ request: TimelineRequest, upTo end: Position) throws -> [Timeline.Snapshot] {
    let timeline = try Timeline(path: path)
    var stops: [Timeline.Snapshot] = []
    while true {
      switch try timeline.forward(request, control: Permissive()) {
      case .breakpoint, .watch:
        if timeline.position > end { return stops }
        stops.append(try timeline.snapshot())
      default: return stops
      }
    }
  }

  private func options(_ random: inout SeededRandom) -> Timeline.Options {
    var options = Timeline.Options()
    options.interval = UInt64(150 + random.below(700))
    options.stretch = UInt64(80 + random.below(500))
    options.mostHits = [1, 5, 5000][random.below(3)]
    return options
  }

  private func path(_ guest: String) throws -> String {
    if guest == "race" { return TimelineFixture.race }
    return try fixture.record(guest, commandLine: ["faults": "20", "usercompute": "300"][guest] ?? "2")
  }

  @Test(arguments: ["race", "usercompute", "faults", "smc", "strio"])
  func breakpointsAreFoundAsBySearchingEverything(guest: String) throws {
    let path = try path(guest)
    var random = SeededRandom(seed: LongTests.seed)
    let places = try places(path)
    var addresses: [UInt64] = []
    for place in places where !addresses.contains(place.rip) { addresses.append(place.rip) }
    for _ in 0..<(LongTests.areOn ? 200 : 5) {
      var breakpoints = (0...random.below(2)).map { _ in addresses[random.below(addresses.count)] }
      // Rare ones, and one that is never met.
      breakpoints.append(addresses[addresses.count - 1 - random.below(3)] &+ 1)
      let timeline = try Timeline(path: path, options: options(&random))
      let request = TimelineRequest(.continue, breakpoints: breakpoints.sorted())
      _ = try timeline.finish()
      for _ in 0..<6 {
        let start = 1 + random.below(places.count - 1)
        #expect(try timeline.seek(.position(places[start].position)) == .step)
        let expected = places[..<start].lastIndex { breakpoints.contains($0.rip) }
        #expect(try timeline.backward(request, control: Permissive()) == (expected == nil ? .begin : .breakpoint))
        #expect(try timeline.snapshot() == places[expected ?? 0])
      }
    }
  }

  @Test(arguments: ["race", "usercompute", "faults", "strio", "mmio"])
  func watchedAccessesAreFoundAsBySearchingEverything(guest: String) throws {
    let path = try path(guest)
    var random = SeededRandom(seed: LongTests.seed)
    let places = try places(path)
    for _ in 0..<(LongTests.areOn ? 100 : 4) {
      let stack = try #require(places.randomElement(&random)).stackPointer
      let kind = [WatchRange.Kind.write, .read, .access][random.below(3)]
      let first = stack &- UInt64(random.below(64))
      let request = TimelineRequest(
        .continue, watches: [WatchRange(kind, first: first, last: first &+ UInt64(random.below(8)))])
      let stops = try stops(path, request, upTo: places[places.count - 1].position)
      let timeline = try Timeline(path: path, options: options(&random))
      let end = try timeline.finish()
      for _ in 0..<4 {
        let start = random.below(places.count)
        #expect(try timeline.seek(.position(places[start].position)) == .step)
        let expected = stops.last { $0.position <= places[start].position }
        let stop = try timeline.backward(request, control: Permissive())
        guard let expected else {
          #expect(stop == .begin)
          continue
        }
        guard case .watch = stop else {
          Issue.record("\(stop) instead of a watched access")
          return
        }
        // It stands before the access, and meets it again.
        let index = try #require(places.firstIndex { $0.position == expected.position })
        #expect(try timeline.snapshot() == places[index - 1])
        guard case .watch = try timeline.forward(request, control: Permissive()) else {
          Issue.record("not met again")
          return
        }
        #expect(try timeline.snapshot() == expected)
      }
      #expect(try timeline.finish() == end)
    }
  }

  @Test func whatIsLeftOutIsNotRunThrough() throws {
    let path = try fixture.record("compute", commandLine: "200000")
    var options = Timeline.Options()
    options.interval = 100_000
    options.stretch = 100_000
    let timeline = try Timeline(path: path, options: options)
    _ = try timeline.finish()
    let control = Permissive()
    let start = Symbols(ofGuest: "compute").address("start")
    #expect(try timeline.backward(TimelineRequest(.continue, breakpoints: [start]), control: control) == .breakpoint)
    #expect(try #require(timeline.instructions) < 1000)
    // One segment, not all of them: hardly a look at the clock.
    #expect(control.polls <= 2)
    #expect(timeline.checkpointCount > 5)
  }
}

extension Array {
  fileprivate func randomElement(_ random: inout SeededRandom) -> Element? {
    isEmpty ? nil : self[random.below(count)]
  }
}
