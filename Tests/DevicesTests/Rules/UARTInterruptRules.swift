import Devices

/// PC16550D (National Semiconductor, June 1995) with a PC's wiring: interrupts, modem lines and the loop.
extension UARTRules {
  private typealias Rule = DeviceRule<UARTBench>

  static let interrupts: [DeviceRule<UARTBench>] = [
    Rule("line status, received data, transmitter, modem status", "table IV", [0x06, 0x04, 0x02, 0x00, 0x01]) { bench in
      bench.loop()
      bench[1] = 0x0f
      bench[4] = 0x11
      bench[0] = 0x41
      bench[0] = 0x42
      let line = bench[2]
      _ = bench[5]
      let data = bench[2]
      _ = bench[0]
      let transmitter = bench[2]
      let modem = bench[2]
      _ = bench[6]
      return [line, data, transmitter, modem, bench[2]]
    },
    Rule("received data, time-out, transmitter", "table IV", [0xc4, 0xcc, 0xc2]) { bench in
      bench.open(fifo: 0x41, interrupts: 0x03)
      bench.receive("abcd")
      let data = bench[2]
      _ = bench[0]
      bench.pass(1_000_000)
      let timeout = bench[2]
      for _ in 0..<3 { _ = bench[0] }
      return [data, timeout, bench[2]]
    },
    Rule("reading IIR ends the transmitter's interrupt", "table IV", [0x02, 0x01]) { bench in
      bench.open(interrupts: 0x02)
      return [bench[2], bench[2]]
    },
    Rule("but only when IIR shows it", "table IV", [0x04, 0x04, 0x02]) { bench in
      bench.open(interrupts: 0x03)
      bench.receive("a")
      let shown = [bench[2], bench[2]]
      _ = bench[0]
      return shown + [bench[2]]
    },
    Rule("a write to THR ends it until the character is gone: an edge", "table IV", 1) { bench in
      bench.open(interrupts: 0x02)
      let before = bench.probe.rises
      bench[0] = 0x41
      return bench.probe.rises - before
    },
    Rule("enabling it asks at once", "8.8", [0x01, 0x02]) { bench in
      bench.open()
      let before = bench[2]
      bench[1] = 0x02
      return [before, bench[2]]
    },
    Rule("enabling it again asks again", "8.8, as Bochs' and QEMU's", [0x02, 0x01, 0x02]) { bench in
      bench.open(interrupts: 0x02)
      let first = bench[2]
      bench[1] = 0x00
      let off = bench[2]
      bench[1] = 0x02
      return [first, off, bench[2]]
    },
    Rule("writing what is enabled already asks nothing", "8.8, as Bochs' and QEMU's", [0x02, 0x01]) { bench in
      bench.open(interrupts: 0x02)
      let first = bench[2]
      bench[1] = 0x03
      return [first, bench[2]]
    },
    Rule("received data is a level: what was there counts", "8.8", [0x01, 0x04]) { bench in
      bench.open()
      bench.receive("a")
      let before = bench[2]
      bench[1] = 0x01
      return [before, bench[2]]
    },
    Rule("reading LSR ends the line status interrupt", "table IV", [0x06, 0x01]) { bench in
      bench.loop()
      bench[1] = 0x04
      bench[0] = 1
      bench[0] = 2
      let before = bench[2]
      _ = bench[5]
      return [before, bench[2]]
    },
    Rule("reading MSR ends the modem status interrupt", "table IV", [0x00, 0x01]) { bench in
      bench.loop()
      bench[1] = 0x08
      bench[4] = 0x12
      let before = bench[2]
      _ = bench[6]
      return [before, bench[2]]
    },
    Rule("OUT2 opens the line, the chip asks all the same", "PC/AT: OUT2", [0x04, 0, 1]) { bench in
      bench.open(interrupts: 0x01)
      bench[4] = 0x03
      bench.receive("a")
      let closed = [bench[2], bench.level ? 1 : 0]
      bench[4] = 0x0b
      return closed + [bench.level ? 1 : 0]
    },
    Rule("in the loop OUT2 is inactive", "8.7, PC/AT: OUT2", [0x02, 0]) { bench in
      bench.loop()
      bench[4] = 0x18
      bench[1] = 0x02
      let level: UInt8 = bench.level ? 1 : 0
      return [bench[2], level]
    },
  ]

  static let modem: [DeviceRule<UARTBench>] = [
    Rule("in the loop DTR, RTS, OUT1, OUT2 are DSR, CTS, RI, DCD", "8.7", [0x20, 0x10, 0x40, 0x80, 0xf0]) { bench in
      [0x11, 0x12, 0x14, 0x18, 0x1f].map { (control: UInt8) in
        bench[4] = control
        return bench[6] & 0xf0
      }
    },
    Rule("changes of CTS, DSR and DCD are noted both ways", "8.9", [0x01, 0x01, 0x02, 0x02, 0x08, 0x08]) { bench in
      bench.loop()
      return [0x12, 0x10, 0x11, 0x10, 0x18, 0x10].map { (control: UInt8) in
        bench[4] = control
        return bench[6] & 0x0f
      }
    },
    Rule("of RI only the trailing edge", "8.9", [0x00, 0x04]) { bench in
      bench.loop()
      return [0x14, 0x10].map { (control: UInt8) in
        bench[4] = control
        return bench[6] & 0x0f
      }
    },
    Rule("a change that goes back is a change", "8.9", 0x01) { bench in
      bench.loop()
      bench[4] = 0x12
      bench[4] = 0x10
      return bench[6]
    },
    Rule("reading MSR clears the changes", "8.9", [0x11, 0x10]) { bench in
      bench.loop()
      bench[4] = 0x12
      return [bench[6], bench[6]]
    },
    Rule("going into the loop and out of it changes the lines", "8.7", [0x0b, 0xbb]) { bench in
      bench.open()
      _ = bench[6]
      bench[4] = 0x10
      let inside = bench[6]
      bench[4] = 0x00
      return [inside, bench[6]]
    },
    Rule("in the loop nothing is sent", "8.7", [0, 0x55]) { bench in
      bench.loop()
      bench[0] = 0x55
      return [UInt8(bench.sent.count), bench[0]]
    },
    Rule("in the loop words have their length", "8.1, 8.7", [0x1f, 0x3f, 0x7f, 0xff]) { bench in
      bench.loop()
      return (UInt8(0)...3).map { length in
        bench[3] = length
        bench[0] = 0xff
        return bench[0]
      }
    },
    Rule("in the loop the input is disconnected", "8.7", [0x00, 0x01]) { bench in
      bench.loop()
      bench.receive("a")
      let inside = bench[5] & 1
      bench[4] = 0x00
      return [inside, bench[5] & 1]
    },
    Rule("with nothing connected MSR shows the other end ready", "this board", 0xb0) { $0[6] },
  ]
}
