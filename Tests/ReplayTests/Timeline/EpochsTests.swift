import Testing
import Trace

@testable import Replay

/// How instructions are numbered where not all have been counted.
@Suite struct EpochsTests {
  private func digest(_ instructions: UInt64) -> StateDigest {
    StateDigest(cpu: 0, memory: 0, output: 0, instructions: instructions)
  }

  @Test func countsAreKnownOnceTheEpochsBeforeAre() {
    var epochs = Epochs()
    let first = epochs.begin(events: 10, digest: digest(0))
    let second = epochs.begin(events: 20, digest: digest(0))
    #expect(epochs.count(upTo: 7) == 7)
    #expect(epochs.count(upTo: first) == nil && epochs.count(upTo: second + 5) == nil)
    #expect(epochs.uncounted?.next.events == 10)
    // Beyond what is counted a number is only a place on the way.
    #expect(epochs.number(afterInstructions: 1000) == 1000)

    epochs.learn(end: 300)
    #expect(epochs.count(upTo: first + 1) == 301)
    #expect(epochs.number(afterInstructions: 1000) == first + 700)
    #expect(epochs.epoch(startingAt: first).flatMap { epochs.numberBefore($0) } == 299)
    #expect(epochs.epoch(startingAt: second).flatMap { epochs.numberBefore($0) } == nil)
    #expect(epochs.epoch(startingAt: first + 1) == nil && epochs.epoch(startingAt: 0) == nil)

    epochs.learn(end: first + 50)
    #expect(epochs.count(upTo: second + 5) == 355)
    #expect(epochs.number(afterInstructions: 355) == second + 5)
    #expect(epochs.uncounted == nil)
  }

  @Test func aDigestOfTheTraceSaysWhereAnEpochBegins() {
    var epochs = Epochs()
    let first = epochs.begin(events: 10, digest: digest(0))
    epochs.learn(digest(1234), at: first + 34)
    #expect(epochs.count(upTo: first) == 1200)
    #expect(epochs.number(afterInstructions: 1201) == first + 1)
    #expect(epochs.uncounted == nil)
    // The first one counts.
    epochs.learn(digest(99), at: first + 34)
    #expect(epochs.count(upTo: first) == 1200)
  }

  /// A trace may say what it likes.
  @Test func countsBeyondAllBounds() throws {
    var epochs = Epochs()
    let first = epochs.begin(events: 10, digest: digest(0))
    let second = epochs.begin(events: 20, digest: digest(0))
    epochs.learn(digest(3), at: first + 34)
    #expect(epochs.count(upTo: first) == nil)
    epochs.learn(digest(.max), at: first)
    epochs.learn(end: first + 10)
    _ = epochs.count(upTo: second + 100)
    #expect(epochs.number(afterInstructions: .max) >= first)
    let epoch = try #require(epochs.epoch(startingAt: first))
    #expect(try #require(epochs.numberBefore(epoch)) < first)
  }
}
