import Devices

/// 8254 (Intel order number 231164): reading counters, and port 0x61.
extension PITRules {
  private typealias Rule = DeviceRule<PITBench>

  static let reading: [DeviceRule<PITBench>] = [
    Rule("the latch command does not touch the mode", "counter latch command", 0x34) { bench in
      bench.program(0, mode: 2, count: 100)
      bench[3] = 0x0e
      return bench.status(0) & 0x3f
    },
    Rule("a latched count is held until all of it is read", "counter latch command", [0x02, 0x10, 0x01]) { bench in
      bench.program(0, mode: 2, count: 0x1002)
      bench.pass()
      bench[3] = 0x00
      bench.pass()
      let low = bench[0]
      bench.pass()
      return [low, bench[0], UInt8(bench.count(0) & 0xff) + 1]
    },
    Rule("a second latch command before that is ignored", "counter latch command", 0x1000) { bench in
      bench.program(0, mode: 2, count: 0x1000)
      bench.pass()
      bench[3] = 0x00
      bench.pass(0x10)
      bench[3] = 0x00
      return UInt16(bench[0]) | UInt16(bench[0]) << 8
    },
    Rule("reading back a count that is latched already is ignored", "read-back command", 0x1000) { bench in
      bench.program(0, mode: 2, count: 0x1000)
      bench.pass()
      bench[3] = 0x00
      bench.pass(0x10)
      bench[3] = 0xd2
      return UInt16(bench[0]) | UInt16(bench[0]) << 8
    },
    Rule("programming forgets a latched count", "counter latch command", 0x0020) { bench in
      bench.program(0, mode: 2, count: 0x1000)
      bench.pass()
      bench[3] = 0x00
      bench.program(0, mode: 2, count: 0x20)
      bench.pass()
      return UInt16(bench[0]) | UInt16(bench[0]) << 8
    },
    Rule("latches of several counters do not meet", "counter latch command", [0x22, 0x11]) { bench in
      bench.program(0, mode: 2, count: 0x11)
      bench.program(1, mode: 2, count: 0x22)
      bench.pass()
      bench[3] = 0x00
      bench[3] = 0x40
      let second = bench[1]
      return [second, bench[0]]
    },
    Rule("status comes before count, whichever was latched first", "read-back command", [0x34, 0x05, 0x00]) { bench in
      bench.program(0, mode: 2, count: 5)
      bench.pass()
      bench[3] = 0xd2
      bench[3] = 0xe2
      return [bench[0] & 0x3f, bench[0], bench[0]]
    },
    Rule("a second status before the first is read is ignored", "read-back command", 0x80) { bench in
      bench.program(0, mode: 0, count: 1)
      bench.pass(2)
      bench[3] = 0xe2
      bench.write(0, 100)
      bench[3] = 0xe2
      return bench[0] & 0x80
    },
    Rule("bits 5 and 4 set: nothing is latched", "read-back command", [0x03, 0x00]) { bench in
      bench.program(0, mode: 2, count: 4)
      bench.pass()
      bench[3] = 0xf2
      bench.pass()
      return [bench[0], bench[0]]
    },
    Rule("one command for all three", "read-back command", [0x34, 0x36, 0x38]) { bench in
      bench.program(0, mode: 2, count: 4)
      bench.program(1, mode: 3, count: 4)
      bench.program(2, mode: 4, count: 4)
      bench[3] = 0xee
      return (UInt16(0)..<3).map { bench[$0] & 0x3f }
    },
    Rule("status holds access, mode and BCD as written", "read-back command", [0x1b, 0x2d]) { bench in
      bench[3] = 0x1b
      let first = bench.status(0) & 0x3f
      bench[3] = 0x2d
      return [first, bench.status(0) & 0x3f]
    },
    Rule("null count: from the control word until the count is loaded", "read-back command", "110") { bench in
      bench.program(0, mode: 3)
      var row = bench.nullCount(0)
      bench.write(0, 10)
      row += bench.nullCount(0)
      bench.pass()
      return row + bench.nullCount(0)
    },
    Rule("null count: a new rate waits for the end of the period", "read-back command", "0110") { bench in
      bench.program(0, mode: 2, count: 4)
      bench.pass()
      var row = bench.nullCount(0)
      bench.write(0, 8)
      row += bench.nullCount(0)
      bench.pass(3)
      row += bench.nullCount(0)
      bench.pass()
      return row + bench.nullCount(0)
    },
    Rule("null count: modes 1 and 5 wait for the trigger", "read-back command", "1010") { bench in
      var row = ""
      for mode in [1, 5] as [UInt8] {
        bench[4] = 0
        bench.program(2, mode: mode, count: 4)
        bench.pass(3)
        row += bench.nullCount(2)
        bench[4] = 1
        bench.pass()
        row += bench.nullCount(2)
      }
      return row
    },
    Rule("without a latch each byte is as the count stands", "read operations", [0x00, 0x0f]) { bench in
      bench.program(0, mode: 2, count: 0x1000)
      bench.pass()
      let low = bench[0]
      bench.pass()
      return [low, bench[0]]
    },
    Rule("reads and writes of two bytes do not meet", "read operations", [0x34, 0x12]) { bench in
      bench.program(0, mode: 2, count: 0x1234)
      bench.pass()
      bench[3] = 0x00
      let low = bench[0]
      bench[0] = 0x77
      return [low, bench[0]]
    },
  ]

  static let board: [DeviceRule<PITBench>] = [
    Rule("port 0x61: bits 3 to 0 can be written, 7 and 6 are 0", "PIIX: NMI status and control", 0x0f) { bench in
      bench[4] = 0xff
      return bench[4] & 0xcf
    },
    Rule("port 0x61: bit 5 is OUT of counter 2", "PIIX: NMI status and control", [0x00, 0x20, 0x00]) { bench in
      bench[4] = 1
      bench.program(2, mode: 0, count: 1)
      let waiting = bench[4] & 0x20
      bench.pass(2)
      let done = bench[4] & 0x20
      bench.write(2, 1)
      return [waiting, done, bench[4] & 0x20]
    },
    Rule("port 0x61: bit 4 toggles", "PIIX: NMI status and control", 2) { bench in
      Set(
        (0..<40).map { _ in
          bench.pass()
          return bench[4] & 0x10
        }
      ).count
    },
    Rule("gates 0 and 1 are high, gate 2 is bit 0", "PC/AT: system timers", [3, 3, 4]) { bench in
      for counter in UInt16(0)..<3 { bench.program(counter, mode: 2, count: 4) }
      bench.pass(2)
      return (UInt16(0)..<3).map { bench.count($0) }
    },
    Rule("the control word of mode 2 raises IRQ 0, that of mode 0 drops it", "control word", "101") { bench in
      [2, 0, 3].map { (mode: UInt8) in
        bench.program(0, mode: mode)
        return bench.probe.level ? "1" : "0"
      }.joined()
    },
    Rule("the control word's port reads nothing", "read operations", 0xff) { $0[3] },
  ]
}

extension PITBench {
  /// The bit NULL COUNT of the status.
  func nullCount(_ counter: UInt16) -> String { status(counter) & 0x40 != 0 ? "1" : "0" }
}
