import Replay
import Support
import Testing
import Trace
import VMMCore

/// A backward search that has been made before costs next to nothing, and finds the same.
@Suite struct TimelineKnowledgeTests {
  let fixture = TimelineFixture()

  private func compute(interval: UInt64 = 100_000) throws -> Timeline {
    var options = Timeline.Options()
    options.interval = interval
    options.stretch = interval
    let timeline = try fixture.timeline("compute", commandLine: "100000", options: options)
    _ = try timeline.finish()
    return timeline
  }

  /// A store to one of the words over which the guest scatters its stores: their pages are busy all the time.
  private func store(to word: UInt64) -> TimelineRequest {
    let first = Symbols(ofGuest: "compute").address("table") + 8 * word
    return TimelineRequest(.continue, watches: [WatchRange(.write, first: first, last: first + 7)])
  }

  /// Runs back from the end; the instructions that this takes, and where it leads.
  private func search(
    _ timeline: Timeline, _ request: TimelineRequest, _ control: Permissive = Permissive()
  ) throws -> (cost: UInt64, place: Timeline.Snapshot) {
    #expect(try timeline.seek(.end) == .step)
    let before = timeline.executedInstructions
    #expect(try timeline.backward(request, control: control) != .interrupted)
    return (timeline.executedInstructions - before, try timeline.snapshot())
  }

  /// A word whose last store lies far from the end.
  private func farWord() throws -> UInt64 {
    try #require(try (UInt64(0)..<50).first { try search(try compute(), store(to: $0)).cost > 800_000 })
  }

  @Test func aWordInABusyPage() throws {
    let word = try farWord()
    let timeline = try compute()
    let first = try search(timeline, store(to: word))
    let again = try search(timeline, store(to: word))
    #expect(first.cost > 800_000 && again.cost * 4 < first.cost, "\(again.cost) of \(first.cost)")
    #expect(again.place == first.place)
    // A part of it was not there either.
    let request = store(to: word)
    let part = TimelineRequest(
      .continue, watches: [WatchRange(.write, first: request.watches[0].first + 2, last: request.watches[0].first + 3)])
    #expect(try search(timeline, part).place == first.place)
  }

  /// What the search for one word of a page has seen serves the searches for all its words.
  @Test func anotherWordOfABusyPage() throws {
    let alone = try (UInt64(0)..<12).map { try search(try compute(), store(to: $0)) }
    let far = try #require(alone.indices.max { alone[$0].cost < alone[$1].cost })
    let timeline = try compute()
    #expect(try search(timeline, store(to: UInt64(far))).place == alone[far].place)
    for word in alone.indices where word != far {
      let other = try search(timeline, store(to: UInt64(word)))
      #expect(other.place == alone[word].place, "word \(word)")
      if alone[word].cost > 800_000 { #expect(other.cost * 2 < alone[word].cost, "word \(word)") }
    }
    #expect(alone.count { $0.cost > 800_000 } > 1)
  }

  /// An instruction that is executed all the time, under a condition that never holds, whoever says so.
  @Test(arguments: [false, true]) func aConditionThatNeverHolds(inEngine: Bool) throws {
    let timeline = try compute()
    _ = try timeline.seek(.instruction(try #require(timeline.totalInstructions) / 2))
    let address = try timeline.state().linearRIP
    let zero = StopCondition(programs: [try #require(AgentExpression([0x22, 0, 0x27]))], registers: [])
    let busy = TimelineRequest(.continue, breakpoints: [address], conditions: inEngine ? [address: [zero]] : [:])
    func never(_ condition: UInt8?) -> Permissive {
      let control = Permissive()
      control.condition = { _ in false }
      control.dependsOn = condition.map { [$0] }
      return control
    }
    let first = try search(timeline, busy, never(1))
    let again = try search(timeline, busy, never(1))
    #expect(first.cost > 800_000 && again.cost * 10 < first.cost, "\(again.cost) of \(first.cost)")
    #expect(again.place == first.place)
    // Another condition, and one of which nobody knows what it depends on, are other searches.
    #expect(try search(timeline, busy, never(2)).cost > 800_000)
    #expect(try search(timeline, busy, never(nil)).cost > 800_000)
    let any = Permissive()
    any.dependsOn = [3]
    let always = TimelineRequest(.continue, breakpoints: [address])
    #expect(try search(timeline, always, any).place != first.place)
  }

  /// Wherever a search is given up, who goes on from there finds what an undisturbed search finds: in a recording that
  /// is one part, from where it began.
  @Test(arguments: [500_000, 10_000_000]) func aSearchThatWasGivenUpMissesNothing(interval: UInt64) throws {
    let word = try farWord()
    let expected = try search(try compute(interval: interval), store(to: word)).place
    var interruptions = 0
    for polls in 0..<3 {
      let timeline = try compute(interval: interval)
      let control = Permissive()
      control.stopAfter = polls
      control.stopsOnce = true
      _ = try timeline.seek(.end)
      let start = timeline.position
      if try timeline.backward(store(to: word), control: control) == .interrupted {
        interruptions += 1
        if interval == 10_000_000 { #expect(timeline.position == start) }
        #expect(try timeline.backward(store(to: word), control: Permissive()) != .interrupted)
      }
      #expect(try timeline.snapshot() == expected, "after \(polls) polls")
    }
    #expect(interruptions > 0)
  }
}
