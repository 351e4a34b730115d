import Devices
import Testing

/// ACPI fixed hardware (ACPI specification 6.4, 4.8).
enum PowerRules {
  private typealias Rule = DeviceRule<PowerBench>

  static let registers: [DeviceRule<PowerBench>] = [
    Rule("the timer counts at 3.579545 MHz", "4.8.2.1", 3_579_545) { bench in
      bench.now = 1_000_000_000
      return bench[8, 4]
    },
    Rule("it has 24 bits: the upper ones are 0", "4.8.2.1", [0xff_ffff, 0]) { bench in
      [(1 << 24) - 1, 1 << 24].map { (tick: UInt64) in
        bench.now = PowerManagement.frequency.time(ofTick: tick)
        return bench[8, 4]
      }
    },
    Rule("it cannot be written", "4.8.2.1", 0) { bench in
      bench[8, 4] = 0x1234
      return bench[8, 4]
    },
    Rule("its status follows bit 23, both ways", "4.8.3.1.1: TMR_STS", [0, 1, 1]) { bench in
      [(1 << 23) - 1, 1 << 23, 1 << 24].map { (tick: UInt64) in
        bench.now = PowerManagement.frequency.time(ofTick: tick)
        let status = bench[0, 2]
        bench[0, 2] = 1
        return status
      }
    },
    Rule("status bits are cleared by ones, one by one", "4.8.3.1.1", [0x101, 0x100, 0x000]) { bench in
      bench.now = PowerManagement.frequency.time(ofTick: 1 << 23)
      bench.power.pressPowerButton(now: bench.now)
      let both = bench[0, 2]
      bench[0, 2] = 0xfeff
      let button = bench[0, 2]
      bench[0, 2] = 0x0100
      return [both, button, bench[0, 2]]
    },
    Rule("a zero clears nothing", "4.8.3.1.1", 0x100) { bench in
      bench.power.pressPowerButton(now: 0)
      bench[0, 2] = 0
      return bench[0, 2]
    },
    Rule("enable bits: timer, global lock, power button, sleep button, RTC", "4.8.3.1.2", 0x0721) { bench in
      bench[2, 2] = 0xffff
      return bench[2, 2]
    },
    Rule("SCI_EN is set and cannot be cleared", "4.8.3.2.1", 1) { bench in
      bench[4, 2] = 0
      return bench[4, 2]
    },
    Rule("SLP_EN reads 0, SLP_TYP what was written", "4.8.3.2.1", 0x1401) { bench in
      bench[4, 2] = 0x3401
      return bench[4, 2]
    },
    Rule("bytes of the registers", "4.8.1: access sizes", [0x01, 0x00, 0x01]) { bench in
      bench[3, 1] = 0x01
      return [bench[3, 1], bench[2, 1], bench[2, 2] >> 8]
    },
  ]

  static let events: [DeviceRule<PowerBench>] = [
    Rule("SCI while a status bit is set and enabled", "4.8.3.1", "0110") { bench in
      var row = ""
      func look() { row += bench.probe.level ? "1" : "0" }
      bench.power.pressPowerButton(now: 0)
      look()
      bench[2, 2] = 0x0100
      look()
      bench[0, 2] = 0x0001
      look()
      bench[0, 2] = 0x0100
      look()
      return row
    },
    Rule("disabling ends the SCI, not the status", "4.8.3.1", [0, 0x100]) { bench in
      bench[2, 2] = 0x0100
      bench.power.pressPowerButton(now: 0)
      bench[2, 2] = 0
      return [bench.probe.level ? 1 : 0, bench[0, 2]]
    },
    Rule("the timer's SCI comes with bit 23", "4.8.2.1", [0, 1]) { bench in
      bench[2, 2] = 1
      let half = PowerManagement.frequency.time(ofTick: 1 << 23)
      return [half - 1, half].map { (time: UInt64) in
        bench.power.advance(to: time)
        return bench.probe.level ? 1 : 0
      }
    },
    Rule("S5 takes SLP_TYP and SLP_EN", "4.8.3.2.1", ["powerOff"]) { bench in
      bench[4, 2] = 0x0000
      bench[4, 2] = 0x2000
      return bench.journal.drain()
    },
    Rule("the upper byte alone is enough", "4.8.1: access sizes", ["powerOff"]) { bench in
      bench[5, 1] = 0x20
      return bench.journal.drain()
    },
    Rule("other sleep types do nothing", "4.8.3.2.1", []) { bench in
      for type in UInt32(1)...7 { bench[4, 2] = 0x2000 | type << 10 }
      return bench.journal.drain()
    },
  ]
}

/// The power management registers on a bench, by offset and size.
final class PowerBench {
  let probe = Probe()
  let journal = Journal()
  let power: PowerManagement
  var now: UInt64 = 0

  init() { power = PowerManagement(interrupt: probe.line, request: journal.requests) }

  subscript(_ offset: UInt16, _ size: UInt8) -> UInt32 {
    get { power.read(offset: offset, size: size, now: now) }
    set { power.write(offset: offset, size: size, value: newValue, now: now) }
  }
}

@Suite struct PowerRuleTests {
  @Test(arguments: PowerRules.registers + PowerRules.events)
  func holds(_ rule: DeviceRule<PowerBench>) { #expect(rule.fault(on: PowerBench()) == nil) }
}
