import Devices
import Testing

@Suite struct PITInterruptTests {
  @Test func hundredHertzForADayIsExact() {
    let bench = PITBench()
    bench.program(0, mode: 2, count: 11932)
    var times: [UInt64] = []
    let end: UInt64 = 3_600_000_000_000
    var now: UInt64 = 0
    while let deadline = bench.pit.nextDeadline, deadline <= end {
      now = deadline
      bench.pit.advance(to: now)
      times.append(now)
    }
    // The first rise comes N + 1 clocks after the write, then one every N clocks.
    let expected = (3_600 * 1_193_182 - 1) / 11932
    #expect(times.count == expected)
    #expect(bench.probe.rises == 1 + expected, "OUT also rose with the control word")
    for (index, time) in times.enumerated() where index % 1000 == 0 {
      #expect(time == PIT.frequency.time(ofTick: UInt64(index + 1) * 11932 + 1))
    }
  }

  @Test func aLongPauseGivesOneInterruptAndKeepsThePhase() {
    let bench = PITBench()
    bench.program(0, mode: 2, count: 1000)
    bench.pass(1)
    let before = bench.probe.rises
    bench.pass(1_000_000_500)
    #expect(bench.probe.rises == before + 1)
    #expect(bench.count(0) == 500)
    #expect(bench.pit.nextDeadline == PIT.frequency.time(ofTick: bench.clock + 500))
  }

  @Test func squareWaveRisesOncePerPeriod() {
    let bench = PITBench()
    bench.program(0, mode: 3, count: 1001)
    bench.pass()
    let before = bench.probe.rises
    var rises: [UInt64] = []
    for _ in 0..<3003 {
      let seen = bench.probe.rises
      bench.pass()
      if bench.probe.rises != seen { rises.append(bench.clock - 1) }
    }
    #expect(rises == [1001, 2002, 3003])
    #expect(bench.probe.rises == before + 3)
  }

  @Test func oneShotInterruptsOnce() {
    let bench = PITBench()
    bench.program(0, mode: 0, count: 50)
    #expect(bench.pit.nextDeadline == PIT.frequency.time(ofTick: 51))
    bench.pass(50)
    #expect(!bench.probe.level)
    bench.pass()
    #expect(bench.probe.level)
    #expect(bench.pit.nextDeadline == nil)
    bench.pass(1_000_000)
    #expect(bench.probe.rises == 1)
  }

  @Test(arguments: [UInt8(2), 3])
  func aCountOfOneNeverInterrupts(mode: UInt8) {
    let bench = PITBench()
    bench.program(0, mode: mode, count: 1)
    bench.pass()
    let before = bench.probe.rises
    bench.pass(10_000)
    #expect(bench.probe.rises == before)
    #expect(bench.pit.nextDeadline == nil)
  }

  @Test func otherCountersDoNotInterrupt() {
    let bench = PITBench()
    bench[4] = 1
    bench.program(1, mode: 2, count: 100)
    bench.program(2, mode: 3, count: 100)
    bench.pass(1000)
    #expect(bench.probe.rises == 0)
    #expect(bench.pit.nextDeadline == nil)
  }
}
