import Support
import Testing

@testable import Devices

@Suite struct FrequencyTests {
  @Test(arguments: [1_193_182, 3_579_545, 32_768, 1_000_000_000, 1] as [UInt64])
  func aTickComesAtTheFirstNanosecondAtWhichItIsComplete(hertz: UInt64) {
    let frequency = Frequency(hertz: hertz)
    var generator = SeededRandom(seed: hertz)
    for _ in 0..<2000 {
      let tick = generator.next() % (hertz * 1_000_000) + 1
      let time = frequency.time(ofTick: tick)
      #expect(frequency.ticks(at: time) == tick)
      #expect(frequency.ticks(at: time - 1) == tick - 1)
    }
  }

  @Test func longTimesAreExact() {
    // 500 years less a bit: a clock in floating point would be off by thousands of ticks.
    let frequency = Frequency(hertz: 1_193_182)
    #expect(frequency.ticks(at: 15_000_000_000 * 1_000_000_000) == 15_000_000_000 * 1_193_182)
    #expect(frequency.ticks(at: 0) == 0)
    #expect(frequency.ticks(at: .max) == 22_010_322_987_356_910)
  }

  @Test func whatLiesBeyondTheEndOfTimeIsTheEnd() {
    #expect(Frequency(hertz: 1).time(ofTick: .max) == .max)
    #expect(Frequency(hertz: 1_193_182).time(ofTick: .max) == .max)
    #expect(Frequency(hertz: 1_000_000_000).time(ofTick: .max) == .max)
  }
}
