import Devices
import Testing

/// MC146818 data sheet: interrupts.
@Suite struct RTCInterruptTests {
  @Test func updateEnded() {
    let bench = RTCBench()
    bench[11] = 0x12
    #expect(bench.rtc.nextDeadline == 1_000_000_000)
    bench.pass(999_999_999)
    #expect(!bench.probe.level)
    bench.pass(1)
    #expect(bench.probe.level)
    #expect(bench.rtc.nextDeadline == nil, "no more edges before register C is read")
    #expect(bench[12] & 0xb0 == 0x90)
    #expect(!bench.probe.level)
    #expect(bench[12] == 0x00)
    #expect(bench.rtc.nextDeadline == 2_000_000_000)
  }

  @Test func flagsComeWithoutInterruptsToo() {
    let bench = RTCBench()
    bench.pass(seconds: 3)
    #expect(bench[12] & 0x10 != 0)
    #expect(bench.probe.rises == 0)
    bench.pass(seconds: 1)
    bench[11] = 0x12
    #expect(bench.probe.level, "a flag that is up interrupts as soon as it may")
  }

  @Test(
    arguments: [
      (UInt8(1), 256.0), (2, 128), (3, 8192), (4, 4096), (5, 2048), (6, 1024), (7, 512), (8, 256), (9, 128), (10, 64),
      (11, 32), (12, 16), (13, 8), (14, 4), (15, 2),
    ])
  func periodicRates(rate: UInt8, hertz: Double) {
    let bench = RTCBench()
    bench[10] = 0x20 | rate
    bench[11] = 0x42
    var count = 0
    while let deadline = bench.rtc.nextDeadline, deadline <= 2_000_000_000 {
      bench.now = deadline
      bench.rtc.advance(to: deadline)
      #expect(bench.probe.level)
      _ = bench[12]
      count += 1
    }
    #expect(count == Int(hertz * 2))
  }

  @Test func rateZeroIsSilent() {
    let bench = RTCBench()
    bench[10] = 0x20
    bench[11] = 0x42
    #expect(bench.rtc.nextDeadline == nil)
    bench.pass(seconds: 1)
    #expect(bench[12] & 0x40 == 0)
  }

  @Test func alarmAtATime() {
    let bench = RTCBench()
    (bench[5], bench[3], bench[1]) = (0x14, 0x00, 0x05)
    bench[11] = 0x22
    bench.pass(seconds: 6)
    #expect(bench[12] & 0x20 == 0)
    bench.pass(seconds: 1)
    #expect(bench.probe.level)
    #expect(bench[12] & 0xa0 == 0xa0)
    bench.pass(seconds: 86_399)
    #expect(bench[12] & 0x20 == 0)
    bench.pass(seconds: 1)
    #expect(bench[12] & 0x20 != 0, "and again the next day")
  }

  @Test func alarmIsNotMissedInALongPause() {
    let bench = RTCBench()
    (bench[5], bench[3], bench[1]) = (0x14, 0x00, 0x05)
    bench[11] = 0x22
    bench.pass(seconds: 40_000)
    #expect(bench.probe.level)
    _ = bench[12]
    bench.pass(seconds: 1_000_000)
    #expect(bench.probe.level)
  }

  @Test func alarmDoNotCareCodes() {
    let bench = RTCBench()
    (bench[5], bench[3], bench[1]) = (0xff, 0xc0, 0x30)
    bench[11] = 0x22
    var rings = 0
    for _ in 0..<180 {
      bench.pass(seconds: 1)
      if bench[12] & 0x20 != 0 { rings += 1 }
    }
    #expect(rings == 3, "once a minute")
  }

  @Test func alarmThatIsNoTimeNeverRings() {
    let bench = RTCBench()
    (bench[5], bench[3], bench[1]) = (0xff, 0xff, 0x6a)
    bench[11] = 0x22
    bench.pass(seconds: 100_000)
    #expect(bench[12] & 0x20 == 0)
  }

  @Test func settingTheClockClearsTheUpdateInterrupt() {
    let bench = RTCBench()
    bench[11] = 0x12
    bench[11] = 0x92
    #expect(bench[11] == 0x82)
    #expect(bench.rtc.nextDeadline == nil)
  }
}
