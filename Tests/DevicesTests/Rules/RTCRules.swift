import Devices
import Testing

/// MC146818 (Motorola, 1984): time, calendar and alarm. The clock starts at 13:59:58 on Saturday, 2026-11-21.
enum RTCRules {
  private typealias Rule = DeviceRule<RTCBench>

  /// Sets a date and a time of day, and lets seconds pass.
  private static func reading(
    _ bench: RTCBench, _ before: [UInt8], format: UInt8 = 0x02, after seconds: UInt64 = 1
  ) -> String {
    bench[11] = format | 0x80
    bench.set(before)
    bench[11] = format
    bench.pass(seconds: seconds)
    return bench.reading
  }

  static let calendar: [DeviceRule<RTCBench>] = [
    Rule("February has 29 days in a leap year", "time, calendar and alarm", "20 24 02 29 05 00 00 00") {
      reading($0, [0x20, 0x24, 0x02, 0x28, 0x04, 0x23, 0x59, 0x59])
    },
    Rule("and 28 in others", "time, calendar and alarm", "20 25 03 01 07 00 00 00") {
      reading($0, [0x20, 0x25, 0x02, 0x28, 0x06, 0x23, 0x59, 0x59])
    },
    Rule("2000 is a leap year", "Gregorian calendar", "20 00 02 29 03 00 00 00") {
      reading($0, [0x20, 0x00, 0x02, 0x28, 0x02, 0x23, 0x59, 0x59])
    },
    Rule("the century turns with the year", "PC/AT: CMOS byte 0x32", "20 00 01 01 07 00 00 00") {
      reading($0, [0x19, 0x99, 0x12, 0x31, 0x06, 0x23, 0x59, 0x59])
    },
    Rule("the day of the week goes from 7 to 1", "time, calendar and alarm", "20 26 01 02 01 00 00 00") {
      reading($0, [0x20, 0x26, 0x01, 0x01, 0x07, 0x23, 0x59, 0x59])
    },
    Rule("binary, 24 hours", "register B: DM", "14 1a 0c 0a 05 17 00 00") {
      reading($0, [20, 26, 12, 10, 5, 22, 59, 59], format: 0x06)
    },
    Rule("binary, 12 hours: noon is 12 PM", "register B: 24/12", "14 1a 0c 0a 05 8c 00 00") {
      reading($0, [20, 26, 12, 10, 5, 11, 59, 59], format: 0x04)
    },
    Rule("BCD, 12 hours: midnight is 12 AM", "register B: 24/12", "20 26 12 11 06 12 00 00") {
      reading($0, [0x20, 0x26, 0x12, 0x10, 0x05, 0x91, 0x59, 0x59], format: 0x00)
    },
    Rule("BCD, 12 hours: 12 AM is followed by 1 AM", "register B: 24/12", "20 26 12 10 05 01 00 00") {
      reading($0, [0x20, 0x26, 0x12, 0x10, 0x05, 0x12, 0x59, 0x59], format: 0x00)
    },
    Rule("BCD, 12 hours: 12 PM is followed by 1 PM", "register B: 24/12", "20 26 12 10 05 81 00 00") {
      reading($0, [0x20, 0x26, 0x12, 0x10, 0x05, 0x92, 0x59, 0x59], format: 0x00)
    },
    Rule("a change of format changes no byte", "register B: DM", 0x58) { bench in
      bench[11] = 0x86
      return bench[0]
    },
    Rule("1:59:59 to 3:00:00 on April's last Sunday", "register B: DSE", "20 26 04 26 01 03 00 00") {
      reading($0, [0x20, 0x26, 0x04, 0x26, 0x01, 0x01, 0x59, 0x59], format: 0x03)
    },
    Rule("not on the Sunday before", "register B: DSE", "20 26 04 19 01 02 00 00") {
      reading($0, [0x20, 0x26, 0x04, 0x19, 0x01, 0x01, 0x59, 0x59], format: 0x03)
    },
    Rule("nor without DSE", "register B: DSE", "20 26 04 26 01 02 00 00") {
      reading($0, [0x20, 0x26, 0x04, 0x26, 0x01, 0x01, 0x59, 0x59])
    },
    Rule("1:59:59 to 1:00:00 on October's last Sunday", "register B: DSE", "20 26 10 25 01 01 00 00") {
      reading($0, [0x20, 0x26, 0x10, 0x25, 0x01, 0x01, 0x59, 0x59], format: 0x03)
    },
    Rule("once: the hour that is repeated ends at 2", "register B: DSE", "20 26 10 25 01 02 00 00") {
      reading($0, [0x20, 0x26, 0x10, 0x25, 0x01, 0x01, 0x59, 0x59], format: 0x03, after: 3601)
    },
    Rule("summer time in one long pause", "register B: DSE", "20 26 05 01 06 01 00 00") {
      reading($0, [0x20, 0x26, 0x04, 0x01, 0x04, 0x00, 0x00, 0x00], format: 0x03, after: 30 * 86_400)
    },
    Rule("summer and winter time in one long pause", "register B: DSE", "20 27 01 01 06 00 00 00") {
      reading($0, [0x20, 0x26, 0x01, 0x01, 0x05, 0x00, 0x00, 0x00], format: 0x03, after: 365 * 86_400)
    },
    Rule("12 hours: summer time", "register B: DSE", "20 26 04 26 01 03 00 00") {
      reading($0, [0x20, 0x26, 0x04, 0x26, 0x01, 0x01, 0x59, 0x59], format: 0x01)
    },
  ]

  /// How often the alarm's flag is set in so many seconds.
  private static func rings(_ bench: RTCBench, _ alarm: [UInt8], format: UInt8 = 0x02, in seconds: Int) -> Int {
    (bench[5], bench[3], bench[1]) = (alarm[0], alarm[1], alarm[2])
    bench[11] = format
    _ = bench[12]
    return (0..<seconds).count { _ in
      bench.pass(seconds: 1)
      return bench[12] & 0x20 != 0
    }
  }

  static let alarms: [DeviceRule<RTCBench>] = [
    Rule("at its second", "alarm", [0, 1]) { bench in
      [rings(bench, [0x14, 0x00, 0x00], in: 1), rings(bench, [0x14, 0x00, 0x00], in: 1)]
    },
    Rule("not when the time is set to it", "alarm", 0x00) { bench in
      (bench[5], bench[3], bench[1]) = (0x10, 0x00, 0x00)
      bench[11] = 0x82
      (bench[4], bench[2], bench[0]) = (0x10, 0x00, 0x00)
      return bench[12] & 0x20
    },
    Rule("any hour", "alarm: do-not-care", 2) { rings($0, [0xc0, 0x00, 0x00], in: 3603) },
    Rule("any minute", "alarm: do-not-care", 3) { rings($0, [0xff, 0xd5, 0x30], in: 180) },
    Rule("any second", "alarm: do-not-care", 10) { rings($0, [0xff, 0xe0, 0xc0], in: 10) },
    Rule("any second of one minute", "alarm: do-not-care", 60) { rings($0, [0x14, 0x00, 0xff], in: 180) },
    Rule("in binary, too", "alarm: do-not-care", 10) { rings($0, [0xff, 0xe0, 0xc0], format: 0x06, in: 10) },
    Rule("the afternoon bit counts", "alarm", [0, 1]) { bench in
      bench[11] = 0x80
      bench[4] = 0x81
      return [
        rings(bench, [0x02, 0x00, 0x00], format: 0x00, in: 3), rings(bench, [0x82, 0x00, 0x03], format: 0x00, in: 3),
      ]
    },
    Rule("none while SET is set", "register B: SET", 0) { rings($0, [0xff, 0xff, 0xff], format: 0x82, in: 5) },
    Rule("the flag comes without AIE", "register C: AF", [0x20, 0]) { bench in
      (bench[5], bench[3], bench[1]) = (0xff, 0xff, 0xff)
      bench.pass(seconds: 1)
      return [bench[12] & 0xa0, bench.probe.level ? 1 : 0]
    },
  ]
}

@Suite struct RTCRuleTests {
  @Test(arguments: RTCRules.calendar + RTCRules.alarms + RTCRules.updates + RTCRules.interrupts + RTCRules.memory)
  func holds(_ rule: DeviceRule<RTCBench>) { #expect(rule.fault(on: RTCBench()) == nil) }
}
