import Devices
import Testing

/// 8254 (Intel order number 231164): programming, reading, and what each mode does at the edges. Rows of digits are OUT
/// after each clock.
enum PITRules {
  private typealias Rule = DeviceRule<PITBench>

  static let programming: [DeviceRule<PITBench>] = [
    Rule("the control word sets OUT at once: low in mode 0, high in the others", "control word", "011111") { bench in
      (UInt8(0)..<6).map { mode in
        bench.program(0, mode: mode == 0 ? 1 : 0)
        bench.program(0, mode: mode)
        return bench.out(0) ? "1" : "0"
      }.joined()
    },
    Rule("the control word stops the counting", "control word", "00000000") { bench in
      bench.program(0, mode: 0, count: 3)
      bench.pass(2)
      bench.program(0, mode: 0)
      return bench.wave(0, 8)
    },
    Rule("a count begins with the clock after its write", "write operations", [0x10, 0x0f]) { bench in
      bench.program(0, mode: 2, count: 0x10)
      bench.pass()
      let loaded = bench.count(0)
      bench.pass()
      return [loaded, bench.count(0)]
    },
    Rule("LSB only: the high byte is 0", "write operations", 0x0034) { bench in
      bench[3] = 0x14
      bench[0] = 0x34
      bench.pass()
      bench[3] = 0xd2
      return UInt16(bench[0])
    },
    Rule("LSB only: every byte is a count", "write operations", "0001000") { bench in
      bench[3] = 0x10
      bench[0] = 3
      let first = bench.wave(0, 4)
      bench[0] = 5
      return first + bench.wave(0, 3)
    },
    Rule("MSB only: the low byte is 0", "write operations", [0x02, 0x01]) { bench in
      bench[3] = 0x24
      bench[0] = 0x02
      bench.pass()
      let loaded = bench[0]
      bench.pass()
      return [loaded, bench[0]]
    },
    Rule("both bytes: half a count starts nothing", "write operations", "1111") { bench in
      bench.program(0, mode: 4)
      bench[0] = 2
      return bench.wave(0, 4)
    },
    Rule("a control word in the middle of a count begins it afresh", "write operations", 0x1234) { bench in
      bench.program(0, mode: 2)
      bench[0] = 0x99
      bench.program(0, mode: 2, count: 0x1234)
      bench.pass()
      return bench.count(0)
    },
    Rule("half of a new count leaves a rate as it is", "mode 2", "110110") { bench in
      bench.program(0, mode: 2, count: 3)
      bench[0] = 9
      return bench.wave(0, 6)
    },
    Rule("half of a new count stops mode 0", "mode 0", ["00000000", "5"]) { bench in
      bench.program(0, mode: 0, count: 6)
      bench.pass(2)
      bench[0] = 1
      let count = bench.count(0)
      return [bench.wave(0, 8), "\(count)"]
    },
    Rule("half of a new count drops OUT in mode 0", "mode 0", "10") { bench in
      bench.program(0, mode: 0, count: 1)
      bench.pass(3)
      let before = bench.out(0) ? "1" : "0"
      bench[0] = 1
      return before + (bench.out(0) ? "1" : "0")
    },
    Rule("half of a new count leaves mode 4 counting", "mode 4", "1110") { bench in
      bench.program(0, mode: 4, count: 3)
      bench[0] = 9
      return bench.wave(0, 4)
    },
    Rule("counters are independent", "programming", [2, 3, 4]) { bench in
      bench[4] = 1
      for counter in UInt16(0)..<3 { bench.program(counter, mode: 2, count: counter + 2) }
      bench.pass()
      return (UInt16(0)..<3).map { bench.count($0) }
    },
    Rule("modes 6 and 7 are 2 and 3", "control word", "110110 110110") { bench in
      bench.program(0, mode: 6, count: 3)
      let rate = bench.wave(0, 6)
      bench.program(0, mode: 7, count: 3)
      return rate + " " + bench.wave(0, 6)
    },
  ]

  static let counts: [DeviceRule<PITBench>] = [
    Rule("0 is 65,536", "write operations", [0, 0xffff]) { bench in
      bench.program(0, mode: 2, count: 0)
      bench.pass()
      let loaded = bench.count(0)
      bench.pass()
      return [loaded, bench.count(0)]
    },
    Rule("0 is 10,000 in BCD", "write operations", [0, 0x9999]) { bench in
      bench.program(0, mode: 2, bcd: true, count: 0)
      bench.pass()
      let loaded = bench.count(0)
      bench.pass()
      return [loaded, bench.count(0)]
    },
    Rule("BCD borrows from digit to digit", "control word: BCD", [0x1000, 0x0999]) { bench in
      bench.program(0, mode: 2, bcd: true, count: 0x1000)
      bench.pass()
      let loaded = bench.count(0)
      bench.pass()
      return [loaded, bench.count(0)]
    },
    Rule("mode 0 goes on below 0", "mode 0", [0, 0xffff, 0xfffe]) { bench in
      bench.program(0, mode: 0, count: 1)
      bench.pass()
      return (0..<3).map { _ in
        bench.pass()
        return bench.count(0)
      }
    },
    Rule("mode 0 goes on below 0 in BCD", "mode 0", [0, 0x9999]) { bench in
      bench.program(0, mode: 0, bcd: true, count: 1)
      bench.pass()
      return (0..<2).map { _ in
        bench.pass()
        return bench.count(0)
      }
    },
    Rule("mode 0 with 1: OUT rises two clocks after the write", "mode 0", "011") { bench in
      bench.program(0, mode: 0, count: 1)
      return bench.wave(0, 3)
    },
    Rule("mode 0 rises once, and stays", "mode 0", [1, 1]) { bench in
      bench.program(0, mode: 0, count: 5)
      bench.pass(200_000)
      return [bench.probe.rises, bench.probe.level ? 1 : 0]
    },
    Rule("mode 1 with 1: one clock", "mode 1", "1011") { bench in
      bench.program(2, mode: 1, count: 1)
      bench.pass()
      let before = bench.out(2) ? "1" : "0"
      bench[4] = 1
      return before + bench.wave(2, 3)
    },
    Rule("mode 2 with 2", "mode 2", "101010") { bench in
      bench.program(0, mode: 2, count: 2)
      return bench.wave(0, 6)
    },
    Rule("mode 2 never shows 0", "mode 2", [3, 2, 1, 3]) { bench in
      bench.program(0, mode: 2, count: 3)
      return (0..<4).map { _ in
        bench.pass()
        return bench.count(0)
      }
    },
    Rule("mode 3 with 2", "mode 3", "101010") { bench in
      bench.program(0, mode: 3, count: 2)
      return bench.wave(0, 6)
    },
    Rule("mode 3 with 3: high for two, low for one", "mode 3, odd counts", "110110110") { bench in
      bench.program(0, mode: 3, count: 3)
      return bench.wave(0, 9)
    },
    Rule("mode 3 counts an odd count from one less, by twos", "mode 3, odd counts", [4, 2, 0, 4, 2, 4]) { bench in
      bench.program(0, mode: 3, count: 5)
      return (0..<6).map { _ in
        bench.pass()
        return bench.count(0)
      }
    },
    Rule("mode 3 with 0 is high for half of 65,536", "mode 3", [1, 0, 1]) { bench in
      bench.program(0, mode: 3, count: 0)
      bench.pass(0x8000)
      let high = bench.out(0) ? 1 : 0
      bench.pass(1)
      let low = bench.out(0) ? 1 : 0
      bench.pass(0x8000)
      return [high, low, bench.out(0) ? 1 : 0]
    },
    Rule("mode 4 with 1: low at the second clock", "mode 4", "1011") { bench in
      bench.program(0, mode: 4, count: 1)
      return bench.wave(0, 4)
    },
    Rule("mode 4 strobes once", "mode 4", "1101111") { bench in
      bench.program(0, mode: 4, count: 2)
      let wave = bench.wave(0, 7)
      bench.pass(0x10000)
      return wave
    },
    Rule("mode 5 waits for its trigger, however long", "mode 5", "111") { bench in
      bench.program(2, mode: 5, count: 2)
      bench.pass(0x20000)
      return bench.wave(2, 3)
    },
  ]
}

@Suite struct PITRuleTests {
  @Test(
    arguments: PITRules.programming + PITRules.counts + PITRules.reading + PITRules.gates + PITRules.reloads
      + PITRules.board)
  func holds(_ rule: DeviceRule<PITBench>) { #expect(rule.fault(on: PITBench()) == nil) }
}
