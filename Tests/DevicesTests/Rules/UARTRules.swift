import Devices
import Testing

/// PC16550D (National Semiconductor, June 1995) with a PC's wiring: registers, line status and interrupts.
enum UARTRules {
  private typealias Rule = DeviceRule<UARTBench>

  static let registers: [DeviceRule<UARTBench>] = [
    Rule("after reset", "table I", [0x00, 0x01, 0x00, 0x00, 0x60]) { bench in
      (UInt16(1)...5).map { bench[$0] }
    },
    Rule("the scratch register holds every byte and means nothing", "8.9", [0x5a, 0xa5]) { bench in
      [0x5a, 0xa5].map { (value: UInt8) in
        bench[7] = value
        return bench[7]
      }
    },
    Rule("DLAB shows the divisor and hides RBR, THR and IER", "8.1", [0x34, 0x12, 0x05]) { bench in
      bench[1] = 0x05
      bench[3] = 0x80
      bench[0] = 0x34
      bench[1] = 0x12
      let divisor = [bench[0], bench[1]]
      bench[3] = 0x00
      return divisor + [bench[1]]
    },
    Rule("DLAB hides nothing else", "8.1", [0xc1, 0x60, 0x5a]) { bench in
      bench[3] = 0x83
      bench[7] = 0x5a
      bench[2] = 0x01
      return [bench[2], bench[5], bench[7]]
    },
    Rule("with DLAB nothing is sent and nothing is read", "8.1", [0, 1]) { bench in
      bench.open()
      bench.receive("a")
      bench[3] = 0x83
      _ = bench[0]
      bench[0] = 0x01
      return [UInt8(bench.sent.count), bench[5] & 0x01]
    },
    Rule("a divisor of 0 does no harm", "8.3", 0x41) { bench in
      bench.open(fifo: 0x81, interrupts: 0x01)
      bench[3] = 0x83
      bench[0] = 0
      bench[3] = 0x03
      bench.receive("A")
      bench.pass(1_000_000)
      return bench[0]
    },
    Rule("IER's high half is 0", "8.8", 0x0f) { bench in
      bench[1] = 0xff
      return bench[1]
    },
    Rule("MCR's bits 7 to 5 are 0", "8.7", 0x1f) { bench in
      bench[4] = 0xff
      return bench[4]
    },
    Rule("IIR's bits 5 and 4 are 0", "8.6", 0x00) { bench in
      bench[2] = 0xff
      return bench[2] & 0x30
    },
    Rule("LSR cannot be written", "8.4", 0x60) { bench in
      bench[5] = 0x1f
      return bench[5]
    },
    Rule("LCR holds every bit", "8.1", 0xff) { bench in
      bench[3] = 0xff
      return bench[3]
    },
    Rule("the transmitter is always empty", "8.4", [0x60, 0x60]) { bench in
      bench.open()
      bench[0] = 0x41
      let first = bench[5]
      for _ in 0..<40 { bench[0] = 0x42 }
      return [first, bench[5]]
    },
  ]

  static let receiver: [DeviceRule<UARTBench>] = [
    Rule("LSR's data ready follows RBR", "8.4", [0x61, 0x60]) { bench in
      bench.open()
      bench.receive("a")
      let full = bench[5]
      _ = bench[0]
      return [full, bench[5]]
    },
    Rule("an overrun without FIFOs keeps the new character", "8.4", [0x63, 0x61, 2]) { bench in
      bench.loop()
      bench[0] = 1
      bench[0] = 2
      return [bench[5], bench[5], bench[0]]
    },
    Rule("an overrun with FIFOs keeps the old ones", "8.4", [0x63, 1, 16, 0]) { bench in
      bench.loop(fifo: 0x01)
      for byte in UInt8(1)...17 { bench[0] = byte }
      let status = bench[5]
      let bytes = (0..<16).map { _ in bench[0] }
      return [status, bytes[0], bytes[15], bench[5] & 1]
    },
    Rule("resetting the FIFO leaves the overrun", "8.5", 0x02) { bench in
      bench.loop(fifo: 0x01)
      for byte in UInt8(1)...17 { bench[0] = byte }
      bench[2] = 0x03
      return bench[5] & 0x03
    },
    Rule("a break is a zero with break and framing error", "8.4", [0x79, 0x00]) { bench in
      bench.loop()
      bench[3] = 0x43
      return [bench[5], bench[0]]
    },
    Rule("a break is one character, however long", "8.4", 0x60) { bench in
      bench.loop(fifo: 0x01)
      bench[3] = 0x43
      bench.pass(1_000_000_000)
      _ = bench[0]
      return bench[5] & 0x61
    },
    Rule("an error shows with its character, and bit 7 before that", "8.4", [0x80, 0x98, 0x00]) { bench in
      bench.loop(fifo: 0x01)
      bench[0] = 0x41
      bench[3] = 0x43
      let first = bench[5] & 0x9c
      _ = bench[0]
      return [first, bench[5] & 0x9c, bench[5] & 0x9c]
    },
    Rule("bit 7 is 0 without FIFOs", "8.4", 0x00) { bench in
      bench.loop()
      bench[3] = 0x43
      return bench[5] & 0x80
    },
    Rule("FCR's other bits count with bit 0 only", "8.5", [0xc0, 0x01, 0x00]) { bench in
      bench.open(fifo: 0x01)
      let on = bench[2] & 0xc0
      bench.receive("a")
      bench[2] = 0x01
      let kept = bench[5] & 1
      bench[2] = 0x02
      return [on, kept, bench[2] & 0xc0]
    },
    Rule("switching the FIFOs on or off empties them", "8.5", [0x00, 0x00]) { bench in
      bench.open()
      bench.receive("a")
      bench[2] = 0x01
      let on = bench[5] & 1
      bench.receive("b")
      bench[2] = 0x00
      return [on, bench[5] & 1]
    },
    Rule("the receiver's reset bit clears itself", "8.5", 0x01) { bench in
      bench.open(fifo: 0x03)
      bench.receive("a")
      return bench[5] & 1
    },
    Rule("the transmitter's reset does not touch the receiver", "8.5", 0x01) { bench in
      bench.open(fifo: 0x01)
      bench.receive("a")
      bench[2] = 0x05
      return bench[5] & 1
    },
    Rule("trigger levels 1, 4, 8 and 14", "8.5", [1, 4, 8, 14]) { bench in
      [0x01, 0x41, 0x81, 0xc1].map { (control: UInt8) in
        bench.open(fifo: control | 0x02, interrupts: 0x01)
        var count = 0
        while !bench.level, count < 16 {
          bench.receive("x")
          count += 1
        }
        bench[2] = 0x00
        return count
      }
    },
    Rule("a trigger level that is lowered counts at once", "8.5", [0, 1]) { bench in
      bench.open(fifo: 0x81, interrupts: 0x01)
      bench.receive("abcd")
      let before = bench.level ? 1 : 0
      bench[2] = 0x41
      return [before, bench.level ? 1 : 0]
    },
    Rule("the time-out comes below the trigger level, after four characters", "8.11", [0, 1, 0xcc]) { bench in
      bench.open(fifo: 0xc1, interrupts: 0x01)
      bench.receive("a")
      bench.pass(347_219)
      let before = bench.level ? 1 : 0
      bench.pass(1)
      return [before, bench.level ? 1 : 0, Int(bench[2])]
    },
    Rule("a new character starts the time-out again", "8.11", false) { bench in
      bench.open(fifo: 0xc1, interrupts: 0x01)
      bench.receive("a")
      bench.pass(300_000)
      bench.receive("b")
      bench.pass(300_000)
      return bench.level
    },
    Rule("a read ends the time-out", "8.11", [0xcc, 0xc1]) { bench in
      bench.open(fifo: 0xc1, interrupts: 0x01)
      bench.receive("ab")
      bench.pass(1_000_000)
      let before = bench[2]
      _ = bench[0]
      return [before, bench[2]]
    },
    Rule("at the trigger level the time-out does not show", "table IV", 0xc4) { bench in
      bench.open(fifo: 0x41, interrupts: 0x01)
      bench.receive("abcd")
      bench.pass(1_000_000)
      return bench[2]
    },
    Rule("the time-out is no interrupt without IER bit 0", "8.8", 0xc1) { bench in
      bench.open(fifo: 0xc1)
      bench.receive("a")
      bench.pass(1_000_000)
      return bench[2]
    },
  ]
}

extension UARTBench {
  /// Opened, in the loop.
  func loop(fifo: UInt8 = 0) {
    open(fifo: fifo)
    self[4] = 0x10
    _ = self[6]
  }
}

@Suite struct UARTRuleTests {
  @Test(arguments: UARTRules.registers + UARTRules.receiver + UARTRules.interrupts + UARTRules.modem)
  func holds(_ rule: DeviceRule<UARTBench>) { #expect(rule.fault(on: UARTBench()) == nil) }
}
