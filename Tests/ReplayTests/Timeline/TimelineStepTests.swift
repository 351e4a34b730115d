import Replay
import Support
import Testing
import Trace
import VMMCore

/// Single steps in both directions.
@Suite struct TimelineStepTests {
  let fixture = TimelineFixture()

  @Test(arguments: ["hello", "tasks", "strio", "faults", "mmio", "ticker"])
  func aThousandStepsForwardAndBackMeetTheSameStates(guest: String) throws {
    let timeline = try fixture.timeline(guest, commandLine: guest == "faults" ? "40" : "3")
    _ = try timeline.seek(.end)
    let total = try #require(timeline.instructions)
    _ = try timeline.seek(.instruction(total / 2))
    var states = [try timeline.snapshot()]
    for _ in 0..<1000 {
      guard try timeline.stepForward() == .step else { break }
      states.append(try timeline.snapshot())
    }
    #expect(states.count > 300)
    #expect(zip(states, states.dropFirst()).allSatisfy { $0.0.position < $0.1.position })
    for expected in states.dropLast().reversed() {
      #expect(try timeline.stepBackward() == .step)
      #expect(try timeline.snapshot() == expected)
    }
  }

  @Test func aStepEntersTheHandlerOfAnInterrupt() throws {
    let timeline = try Timeline(path: TimelineFixture.race)
    let handler = Symbols(ofGuest: "race").address("on_timer")
    let stop = try timeline.forward(TimelineRequest(.continue, breakpoints: [handler]), control: Permissive())
    #expect(stop == .breakpoint)
    let there = try timeline.snapshot()
    #expect(there.rip == handler)
    #expect(try timeline.stepBackward() == .step)
    let before = try timeline.snapshot()
    #expect(before.instructions == there.instructions && before.rip != handler)
    #expect(try timeline.stepForward() == .step)
    #expect(try timeline.snapshot() == there)
  }

  @Test func aFaultHasAMomentBeforeAndOneAtItsHandler() throws {
    let timeline = try fixture.timeline("faults", commandLine: "3")
    let handler = Symbols(ofGuest: "faults").address("on_page_fault")
    let stop = try timeline.forward(TimelineRequest(.continue, breakpoints: [handler]), control: Permissive())
    #expect(stop == .breakpoint)
    let there = try timeline.snapshot()
    _ = try timeline.stepBackward()
    let before = try timeline.snapshot()
    #expect(before.instructions.map { $0 + 1 } == there.instructions && before.rip != handler)
    _ = try timeline.stepForward()
    #expect(try timeline.snapshot() == there)
  }

  @Test func theBeginAndTheEndAreReported() throws {
    let timeline = try fixture.timeline("hello")
    let begin = try timeline.snapshot()
    #expect(try timeline.stepBackward() == .begin)
    #expect(try timeline.snapshot() == begin)
    #expect(try timeline.forward(TimelineRequest(.continue), control: Permissive()) == .end)
    let end = try timeline.snapshot()
    #expect(end.position.ordinal == timeline.eventCount)
    #expect(try timeline.stepForward() == .end)
    #expect(try timeline.snapshot() == end)
    #expect(try timeline.backward(TimelineRequest(.continue), control: Permissive()) == .begin)
    #expect(try timeline.snapshot() == begin)
  }

  @Test func rangesAreSteppedThrough() throws {
    let timeline = try fixture.timeline("hello")
    let start = try timeline.state().linearRIP
    let stop = try timeline.forward(TimelineRequest(.range(start..<start + 6)), control: Permissive())
    #expect(stop == .step)
    #expect(try timeline.state().linearRIP >= start + 6)
  }
}
