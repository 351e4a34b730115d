import Devices
import Testing

/// 8254 data sheet: access modes, latches, read-back, BCD; and port 0x61.
@Suite struct PITRegisterTests {
  @Test func bcdCountsInDecimal() {
    let bench = PITBench()
    bench.program(0, mode: 0, bcd: true, count: 0x1000)
    bench.pass(2)
    #expect(bench.count(0) == 0x0999)
    bench.pass(1000)
    #expect(bench.count(0) == 0x9999)
  }

  @Test func digitsThatAreNotDecimalHaveTheirWeight() {
    let bench = PITBench()
    bench.program(0, mode: 2, bcd: true, count: 0x00fa)
    bench.pass()
    #expect(bench.count(0) == 0x0160)
    bench.program(0, mode: 0, bcd: true, count: 0xfa00)
    bench.pass(6000)
    #expect(!bench.out(0), "16,000 is 6,000")
    bench.pass()
    #expect(bench.out(0))
  }

  @Test func lowByteOnly() {
    let bench = PITBench()
    bench[3] = 0x10
    bench[0] = 5
    bench.pass(3)
    #expect(bench[0] == 3)
    bench.pass()
    #expect(bench[0] == 2)
  }

  @Test func highByteOnly() {
    let bench = PITBench()
    bench[3] = 0x20
    bench[0] = 2
    bench.pass()
    #expect(bench[0] == 2)
    bench.pass()
    #expect(bench[0] == 1, "0x200 less 1")
  }

  @Test func latchedCountStandsStillUntilRead() {
    let bench = PITBench()
    bench.program(0, mode: 2, count: 0x1234)
    bench.pass()
    bench[3] = 0x00
    bench.pass(0x100)
    bench[3] = 0x00
    #expect(bench[0] == 0x34, "the second latch command is ignored")
    bench.pass(1)
    #expect(bench[0] == 0x12)
    #expect(bench.count(0) == 0x1133)
  }

  @Test func readsAndWritesOfACounterInterleave() {
    let bench = PITBench()
    bench.program(0, mode: 2, count: 0x5555)
    bench.pass()
    bench[3] = 0x00
    #expect(bench[0] == 0x55)
    bench[0] = 0x10
    #expect(bench[0] == 0x55)
    bench[0] = 0x00
    bench.pass(0x5555)
    #expect(bench.count(0) == 0x10)
  }

  @Test func readBackLatchesSeveralCountersAtOnce() {
    let bench = PITBench()
    bench.program(0, mode: 2, count: 100)
    bench.program(1, mode: 2, count: 200)
    bench.pass()
    bench[3] = 0xd6
    bench.pass(7)
    #expect(bench[0] == 100)
    #expect(bench[0] == 0)
    #expect(bench[1] == 200)
    #expect(bench[1] == 0)
    #expect(bench[0] == 93, "then live counts again")
  }

  @Test func statusComesBeforeCount() {
    let bench = PITBench()
    bench.program(0, mode: 2, count: 0x0203)
    bench.pass()
    bench[3] = 0xc2
    #expect(bench[0] == 0xb4, "OUT high, count loaded, both bytes, mode 2")
    #expect(bench[0] == 0x03)
    #expect(bench[0] == 0x02)
  }

  @Test func nullCountUntilLoaded() {
    let bench = PITBench()
    bench.program(0, mode: 2)
    #expect(bench.status(0) & 0x40 != 0, "after the control word")
    bench.write(0, 10)
    #expect(bench.status(0) & 0x40 != 0)
    bench.pass()
    #expect(bench.status(0) & 0x40 == 0)
    bench.write(0, 20)
    #expect(bench.status(0) & 0x40 != 0, "the new count waits for the end of the period")
    bench.pass(10)
    #expect(bench.status(0) & 0x40 == 0)
  }

  @Test func controlWordCannotBeRead() {
    let bench = PITBench()
    #expect(bench[3] == 0xff)
  }

  @Test func port61HoldsFourBits() {
    let bench = PITBench()
    bench[4] = 0xff
    #expect(bench[4] & 0xcf == 0x0f)
    bench[4] = 0x00
    #expect(bench[4] & 0xcf == 0x00)
  }

  @Test func refreshBitTogglesEveryFifteenMicroseconds() {
    let bench = PITBench()
    var changes: [UInt64] = []
    var last = bench[4] & 0x10
    for clock in UInt64(1)...100 {
      bench.pass()
      if bench[4] & 0x10 != last { changes.append(clock) }
      last = bench[4] & 0x10
    }
    #expect(changes == [18, 36, 54, 72, 90])
  }
}
