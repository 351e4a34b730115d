import Devices

/// MC146818 (Motorola, 1984): registers A to D, and the PC's uses of the chip.
extension RTCRules {
  private typealias Rule = DeviceRule<RTCBench>

  static let updates: [DeviceRule<RTCBench>] = [
    Rule("UIP cannot be written", "register A", 0x26) { bench in
      bench[10] = 0xa6
      return bench[10]
    },
    Rule("UIP is up for 244 us before an update and its 1984 us", "update cycle", [0x26, 0xa6, 0xa6, 0x26]) { bench in
      [997_771_999, 1, 2_227_999, 1].map { (nanoseconds: UInt64) in
        bench.pass(nanoseconds)
        return bench[10]
      }
    },
    Rule("UIP is clear while SET is set", "register B: SET", 0x26) { bench in
      bench.pass(999_000_000)
      bench[11] = 0x82
      return bench[10]
    },
    Rule("UIP is clear while the divider is held", "register A: DV", 0x76) { bench in
      bench[10] = 0x76
      bench.pass(999_000_000)
      return bench[10]
    },
    Rule("SET aborts an update that is under way", "register B: SET", 0x58) { bench in
      bench.pass(999_000_000)
      bench[11] = 0x82
      bench.pass(seconds: 2)
      return bench[0]
    },
    Rule("SET clears UIE, and only when it rises", "register B: SET", [0x82, 0x92]) { bench in
      bench[11] = 0x12
      bench[11] = 0x92
      let risen = bench[11]
      bench[11] = 0x92
      return [risen, bench[11]]
    },
    Rule("SET leaves PIE and AIE", "register B: SET", 0xe2) { bench in
      bench[11] = 0x72
      bench[11] = 0xf2
      return bench[11]
    },
    Rule("no update-ended flag while SET is set", "register C: UF", 0x00) { bench in
      bench[11] = 0x82
      bench.pass(seconds: 2)
      return bench[12] & 0x10
    },
    Rule("the periodic interrupt goes on while SET is set", "register B: SET", 0x40) { bench in
      bench[11] = 0x82
      bench.pass(seconds: 1)
      return bench[12] & 0x40
    },
    Rule("the periodic interrupt stops while the divider is held", "register A: DV", 0x00) { bench in
      bench[10] = 0x66
      _ = bench[12]
      bench.pass(seconds: 1)
      return bench[12]
    },
    Rule("the first update comes half a second after the divider is let go", "register A: DV", [0x58, 0x59]) { bench in
      bench[10] = 0x76
      bench.pass(123_456_789)
      bench[10] = 0x26
      bench.pass(499_999_999)
      let before = bench[0]
      bench.pass(1)
      return [before, bench[0]]
    },
    Rule("registers A and B hold all other bits", "registers A and B", [0x2f, 0x7f]) { bench in
      bench[10] = 0x2f
      bench[11] = 0x7f
      return [bench[10], bench[11]]
    },
  ]

  /// Sources that have set their flags, with these enabled.
  private static func flags(_ bench: RTCBench, enabled: UInt8) -> [UInt8] {
    (bench[5], bench[3], bench[1]) = (0xff, 0xff, 0xff)
    bench[11] = 0x02 | enabled
    bench.pass(seconds: 1)
    let level: UInt8 = bench.probe.level ? 1 : 0
    return [bench[12], level]
  }

  static let interrupts: [DeviceRule<RTCBench>] = [
    Rule("flags come whatever is enabled, IRQF does not", "register C", [0x70, 0]) { flags($0, enabled: 0x00) },
    Rule("PIE makes PF an interrupt", "register B: PIE", [0xf0, 1]) { flags($0, enabled: 0x40) },
    Rule("AIE makes AF an interrupt", "register B: AIE", [0xf0, 1]) { flags($0, enabled: 0x20) },
    Rule("UIE makes UF an interrupt", "register B: UIE", [0xf0, 1]) { flags($0, enabled: 0x10) },
    Rule("SQWE makes nothing one", "register B: SQWE", [0x70, 0]) { flags($0, enabled: 0x08) },
    Rule("reading register C clears it and drops IRQ", "register C", [0xf0, 0x00, 0]) { bench in
      let first = flags(bench, enabled: 0x70)[0]
      return [first, bench[12], bench.probe.level ? 1 : 0]
    },
    Rule("writing register C does nothing", "register C", 0xf0) { bench in
      (bench[5], bench[3], bench[1]) = (0xff, 0xff, 0xff)
      bench[11] = 0x72
      bench.pass(seconds: 1)
      bench[12] = 0x00
      return bench[12]
    },
    Rule("enabling a flag that is up interrupts", "register B", [0, 1, 0]) { bench in
      bench.pass(seconds: 1)
      return [0x02, 0x12, 0x02].map { (value: UInt8) in
        bench[11] = value
        return bench.probe.level ? 1 : 0
      }
    },
    Rule("rate 0: none", "table 3", 0x00) { bench in
      bench[10] = 0x20
      _ = bench[12]
      bench.pass(seconds: 2)
      return bench[12] & 0x40
    },
    Rule("rates 1 to 15", "table 3", [256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2]) { bench in
      (UInt8(1)...15).map { rate in
        bench[10] = 0x20 | rate
        bench[11] = 0x42
        let end = bench.now + 1_000_000_000
        var count = 0
        while let deadline = bench.rtc.nextDeadline, deadline <= end {
          bench.pass(deadline - bench.now)
          if bench[12] & 0xc0 == 0xc0 { count += 1 }
        }
        bench[11] = 0x02
        bench.pass(end - bench.now)
        _ = bench[12]
        return count
      }
    },
    Rule("one flag for many periods that nobody looked at", "register C: PF", [0x40, 0x00]) { bench in
      bench.pass(999_000_000)
      return [bench[12] & 0x40, bench[12] & 0x40]
    },
  ]

  static let memory: [DeviceRule<RTCBench>] = [
    Rule("register D: the battery is good, the rest is 0, and nothing can be written", "register D", 0x80) { bench in
      bench[13] = 0x7f
      return bench[13]
    },
    Rule("RAM holds its bytes when time passes", "RAM", 27) { bench in
      for register in UInt8(0x40)...0x5a { bench[register] = register &* 7 }
      bench.pass(seconds: 100_000)
      return (UInt8(0x40)...0x5a).count { bench[$0] == $0 &* 7 }
    },
    Rule("port 0x70 cannot be read", "PC/AT: port 0x70", 0xff) { bench in
      bench.rtc.writeByte(offset: 0, value: 0x0d, now: 0)
      return bench.rtc.readByte(offset: 0, now: 0)
    },
    Rule("bit 7 of port 0x70 masks NMIs and is no part of the index", "PC/AT: port 0x70", [1, 0x80, 0]) { bench in
      bench.rtc.writeByte(offset: 0, value: 0x8d, now: 0)
      let masked: UInt8 = bench.rtc.masksNMI ? 1 : 0
      let value = bench.rtc.readByte(offset: 1, now: 0)
      bench.rtc.writeByte(offset: 0, value: 0x0d, now: 0)
      return [masked, value, bench.rtc.masksNMI ? 1 : 0]
    },
    Rule("reading the data port leaves the index", "PC/AT: port 0x71", [0x80, 0x80]) { bench in
      bench.rtc.writeByte(offset: 0, value: 0x0d, now: 0)
      return [bench.rtc.readByte(offset: 1, now: 0), bench.rtc.readByte(offset: 1, now: 0)]
    },
  ]
}
