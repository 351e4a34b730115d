import Devices
import Testing

/// MC146818 data sheet: time, calendar and their formats.
@Suite struct RTCTimeTests {
  @Test func startsAtTheEpochInBCD() {
    #expect(RTCBench().reading == "20 26 11 21 07 13 59 58")
    #expect(RTCBench(epoch: 0).reading == "19 70 01 01 05 00 00 00")
    #expect(RTCBench(epoch: 951_782_399).reading == "20 00 02 28 02 23 59 59")
  }

  @Test func carriesIntoEveryField() {
    let bench = RTCBench()
    bench.pass(seconds: 2)
    #expect(bench.reading == "20 26 11 21 07 14 00 00")
    bench.pass(seconds: 10 * 3600)
    #expect(bench.reading == "20 26 11 22 01 00 00 00")
  }

  @Test(
    arguments: [
      ([0x20, 0x24, 0x02, 0x28, 0x04, 0x23, 0x59, 0x59], "20 24 02 29 05 00 00 00"),
      ([0x20, 0x23, 0x02, 0x28, 0x03, 0x23, 0x59, 0x59], "20 23 03 01 04 00 00 00"),
      ([0x19, 0x99, 0x12, 0x31, 0x06, 0x23, 0x59, 0x59], "20 00 01 01 07 00 00 00"),
      ([0x20, 0x00, 0x02, 0x28, 0x02, 0x23, 0x59, 0x59], "20 00 02 29 03 00 00 00"),
      ([0x21, 0x00, 0x02, 0x28, 0x01, 0x23, 0x59, 0x59], "21 00 03 01 02 00 00 00"),
      ([0x20, 0x25, 0x04, 0x30, 0x04, 0x23, 0x59, 0x59], "20 25 05 01 05 00 00 00"),
    ] as [([UInt8], String)])
  func monthsAndLeapYears(before: [UInt8], after: String) {
    let bench = RTCBench()
    bench.set(before)
    bench.pass(seconds: 1)
    #expect(bench.reading == after)
  }

  @Test func longPausesComeOutExactly() {
    let bench = RTCBench(epoch: 0)
    // 2026-11-21 13:59:58.
    bench.pass(seconds: 1_795_269_598)
    #expect(bench.reading == "20 26 11 21 07 13 59 58")
  }

  @Test func binaryFormat() {
    let bench = RTCBench()
    bench[11] = 0x06
    bench.set([20, 26, 11, 21, 7, 23, 59, 59])
    bench.pass(seconds: 1)
    #expect(bench.reading == "14 1a 0b 16 01 00 00 00")
  }

  @Test(arguments: [(UInt8(0x11), UInt8(0x92)), (0x92, 0x81), (0x81, 0x82), (0x91, 0x12), (0x12, 0x01), (0x09, 0x10)])
  func twelveHourFormat(before: UInt8, after: UInt8) {
    let bench = RTCBench()
    bench[11] = 0x00
    bench.set([0x20, 0x26, 0x11, 0x21, 0x07, before, 0x59, 0x59])
    bench.pass(seconds: 1)
    #expect(bench[4] == after)
    #expect(bench[7] == (before == 0x91 ? 0x22 : 0x21), "midnight is where the date changes")
  }

  @Test func setStopsTheClock() {
    let bench = RTCBench()
    bench[11] = 0x82
    bench.pass(seconds: 10)
    #expect(bench[0] == 0x58)
    bench[0] = 0x30
    bench[11] = 0x02
    bench.pass(seconds: 1)
    #expect(bench[0] == 0x31)
  }

  @Test func dividerResetStopsTheClockAndSetsItsPhase() {
    let bench = RTCBench()
    bench.pass(300_000_000)
    bench[10] = 0x66
    bench.pass(seconds: 5)
    #expect(bench[0] == 0x58)
    bench[10] = 0x26
    bench.pass(499_999_999)
    #expect(bench[0] == 0x58)
    bench.pass(1)
    #expect(bench[0] == 0x59, "the first update comes after half a second")
  }

  @Test func updateInProgressWarns() {
    let bench = RTCBench()
    bench.pass(997_771_999)
    #expect(bench[10] == 0x26)
    bench.pass(1)
    #expect(bench[10] == 0xa6, "244 us + 1984 us before the update")
    bench.pass(2_227_999)
    #expect(bench[10] == 0xa6)
    #expect(bench[0] == 0x58)
    bench.pass(1)
    #expect(bench[10] == 0x26)
    #expect(bench[0] == 0x59)
  }

  @Test func nonsenseInTheRegistersIsHarmless() {
    let bench = RTCBench()
    for value in [UInt8(0xff), 0x00, 0x9a, 0x7f] {
      for format in [UInt8(0x00), 0x02, 0x04, 0x06] {
        bench[11] = format
        bench.set([UInt8](repeating: value, count: 8))
        bench.pass(seconds: 100_000)
        _ = bench.reading
      }
    }
    #expect(bench[13] == 0x80)
  }
}
