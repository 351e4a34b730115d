import Devices

/// 8259A (Intel order number 231468): operation command words, and the cascade.
extension PICRules {
  private typealias Rule = DeviceRule<PICBench>

  /// Takes the lines into service, in the order given.
  private static func serve(_ lines: [UInt8], on bench: PICBench) {
    for line in lines {
      bench.raise(line)
      _ = bench.pic.acknowledge()
      bench.lower(line)
    }
  }

  static let commands: [DeviceRule<PICBench>] = [
    Rule("a non-specific EOI ends the highest priority in service", "OCW2", 0x20) { bench in
      bench.initialize()
      serve([5, 3], on: bench)
      bench.out(0x20, 0x20)
      return bench.isr
    },
    Rule("highest is by the rotated order", "OCW2", 0x08) { bench in
      bench.initialize()
      serve([5, 3], on: bench)
      bench.out(0x20, 0xc4)
      bench.out(0x20, 0x20)
      return bench.isr
    },
    Rule("a specific EOI ends just its line", "OCW2", 0x08) { bench in
      bench.initialize()
      serve([5, 3], on: bench)
      bench.out(0x20, 0x65)
      return bench.isr
    },
    Rule("an EOI with nothing in service does nothing", "OCW2", [0x20, 0x27]) { bench in
      bench.initialize()
      for value in [0x20, 0x63, 0xa0] as [UInt8] { bench.out(0x20, value) }
      bench.raise(7)
      bench.raise(0)
      return bench.takeAndEndAll()
    },
    Rule("a rotating EOI makes its line the lowest", "OCW2", [0x24, 0x21, 0x23]) { bench in
      bench.initialize()
      serve([3], on: bench)
      bench.out(0x20, 0xa0)
      for line in [3, 1, 4] as [UInt8] { bench.raise(line) }
      return bench.takeAndEndAll()
    },
    Rule("a rotating specific EOI makes the line it names the lowest", "OCW2", [0x26, 0x20, 0x25]) { bench in
      bench.initialize()
      serve([5, 3], on: bench)
      bench.out(0x20, 0xe5)
      bench.out(0x20, 0x63)
      for line in [5, 0, 6] as [UInt8] { bench.raise(line) }
      return bench.takeAndEndAll()
    },
    Rule("set priority ends nothing", "OCW2", 0x08) { bench in
      bench.initialize()
      serve([3], on: bench)
      bench.out(0x20, 0xc3)
      return bench.isr
    },
    Rule("0x40 is no operation", "OCW2", [0x08, 0x08]) { bench in
      bench.initialize()
      serve([3], on: bench)
      let before = bench.isr
      bench.out(0x20, 0x43)
      return [before, bench.isr]
    },
    Rule("automatic EOI leaves nothing in service", "ICW4", [0x23, 0x00]) { bench in
      bench.initialize(icw4: 0x03)
      bench.raise(3)
      return [bench.pic.acknowledge(), bench.isr]
    },
    Rule("automatic EOI lets lower priorities through at once", "ICW4", [0x21, 0x26]) { bench in
      bench.initialize(icw4: 0x03)
      bench.raise(6)
      bench.raise(1)
      return bench.takeAll()
    },
    Rule("rotation in automatic EOI mode goes with every INTA", "OCW2", [0x21, 0x24, 0x21]) { bench in
      bench.initialize(icw4: 0x03)
      bench.out(0x20, 0x80)
      var vectors: [UInt8] = []
      bench.pulse(1)
      vectors.append(bench.pic.acknowledge())
      bench.pulse(1)
      bench.pulse(4)
      return vectors + bench.takeAll()
    },
    Rule("0x00 ends that rotation", "OCW2", [0x21, 0x21, 0x24]) { bench in
      bench.initialize(icw4: 0x03)
      bench.out(0x20, 0x80)
      bench.out(0x20, 0x00)
      bench.pulse(1)
      let first = bench.pic.acknowledge()
      bench.pulse(1)
      bench.pulse(4)
      return [first] + bench.takeAll()
    },
    Rule("special mask mode: a masked line in service holds nothing up", "OCW3", 0x26) { bench in
      bench.initialize()
      serve([1], on: bench)
      bench.out(0x21, 0x02)
      bench.out(0x20, 0x68)
      bench.raise(6)
      return bench.pic.hasInterrupt ? bench.pic.acknowledge() : 0
    },
    Rule("special mask mode: one that is not masked does", "OCW3", false) { bench in
      bench.initialize()
      serve([1], on: bench)
      bench.out(0x20, 0x68)
      bench.raise(6)
      return bench.pic.hasInterrupt
    },
    Rule("special mask mode: a masked line is not ended unspecifically", "end of interrupt", 0x02) { bench in
      bench.initialize()
      serve([1], on: bench)
      bench.out(0x21, 0x02)
      bench.out(0x20, 0x68)
      bench.out(0x20, 0x20)
      return bench.isr
    },
    Rule("without ESMM the bit SMM counts for nothing", "OCW3", [0, 1]) { bench in
      bench.initialize()
      serve([1], on: bench)
      bench.out(0x21, 0x02)
      bench.raise(6)
      bench.out(0x20, 0x28)
      let ignored = bench.asks
      bench.out(0x20, 0x68)
      bench.out(0x20, 0x08)
      return [ignored, bench.asks]
    },
    Rule("the choice of IRR or ISR stays until the next one", "OCW3", [0x08, 0x08, 0x40, 0x40]) { bench in
      bench.initialize()
      serve([3], on: bench)
      bench.raise(6)
      bench.out(0x20, 0x0b)
      let isr = [bench.in(0x20), bench.in(0x20)]
      bench.out(0x20, 0x08)
      bench.out(0x20, 0x0a)
      bench.out(0x20, 0x09)
      return isr + [bench.in(0x20), bench.in(0x20)]
    },
    Rule("a poll is an INTA", "poll command", [0x83, 0x08, 0x00]) { bench in
      bench.initialize()
      bench.raise(3)
      bench.out(0x20, 0x0c)
      let answer = bench.in(0x20)
      return [answer, bench.isr, bench.asks]
    },
    Rule("a poll that finds nothing has bit 7 clear, and no effect", "poll command", [0x00, 0x00]) { bench in
      bench.initialize()
      bench.out(0x20, 0x0c)
      return [bench.in(0x20) & 0x80, bench.isr]
    },
    Rule("a poll sees neither masked lines nor lower priorities", "poll command", [0x00, 0x00]) { bench in
      bench.initialize()
      bench.out(0x21, 0x02)
      bench.raise(1)
      bench.out(0x20, 0x0c)
      let masked = bench.in(0x20) & 0x80
      serve([3], on: bench)
      bench.raise(5)
      bench.out(0x20, 0x0c)
      return [masked, bench.in(0x20) & 0x80]
    },
    Rule("a poll is for one read", "poll command", [0x83, 0x00]) { bench in
      bench.initialize()
      bench.raise(3)
      bench.out(0x20, 0x0c)
      return [bench.in(0x20), bench.in(0x20)]
    },
    Rule("a poll goes before the choice of a register", "OCW3", 0x83) { bench in
      bench.initialize()
      bench.raise(3)
      bench.out(0x20, 0x0f)
      return bench.in(0x20)
    },
    Rule("a poll in automatic EOI mode leaves nothing in service", "poll command", [0x83, 0x00]) { bench in
      bench.initialize(icw4: 0x03)
      bench.raise(3)
      bench.out(0x20, 0x0c)
      return [bench.in(0x20), bench.isr]
    },
    Rule("the master's poll names the cascade, the slave's the line", "poll command", [0x82, 0x84]) { bench in
      bench.initialize()
      bench.raise(12)
      bench.out(0x20, 0x0c)
      let master = bench.in(0x20)
      bench.out(0xa0, 0x0c)
      return [master, bench.in(0xa0)]
    },
  ]

  static let cascade: [DeviceRule<PICBench>] = [
    Rule("a slave's interrupt is in service in both", "cascade mode", [0x2c, 0x04, 0x10]) { bench in
      bench.initialize()
      bench.raise(12)
      return [bench.pic.acknowledge(), bench.isr(0x20), bench.isr(0xa0)]
    },
    Rule("ending it in the slave alone keeps the master closed", "cascade mode", [0, 1]) { bench in
      bench.initialize()
      serve([12], on: bench)
      bench.raise(14)
      bench.out(0xa0, 0x20)
      let closed = bench.asks
      bench.out(0x20, 0x20)
      return [closed, bench.asks]
    },
    Rule("ending it in the master alone keeps the slave's lower lines closed", "cascade mode", [0, 1]) { bench in
      bench.initialize()
      serve([12], on: bench)
      bench.raise(14)
      bench.out(0x20, 0x20)
      let closed = bench.asks
      bench.raise(3)
      return [closed, bench.asks]
    },
    Rule("IRQ 8 to 15 come between IRQ 1 and 3", "fully nested mode", [0x21, 0x28, 0x2f, 0x23]) { bench in
      bench.initialize()
      for line in [3, 15, 8, 1] as [UInt8] { bench.raise(line) }
      return bench.takeAndEndAll()
    },
    Rule("masking the cascade closes the slave", "OCW1", [0, 1]) { bench in
      bench.initialize()
      bench.out(0x21, 0x04)
      bench.raise(8)
      let closed = bench.asks
      bench.out(0x21, 0x00)
      return [closed, bench.asks]
    },
    Rule("a slave's request shows in the master's IRR", "cascade mode", [0x04, 0x00]) { bench in
      bench.initialize()
      bench.raise(9)
      let raised = bench.in(0x20)
      bench.out(0xa1, 0xff)
      return [raised, bench.in(0x20)]
    },
    Rule("special fully nested: a higher line of the slave nests", "special fully nested mode", [0x2c, 0x29]) { bench in
      bench.initialize(icw4: 0x11)
      bench.raise(12)
      let first = bench.pic.acknowledge()
      bench.raise(9)
      return [first, bench.pic.hasInterrupt ? bench.pic.acknowledge() : 0]
    },
    Rule("special fully nested: a lower one does not", "special fully nested mode", false) { bench in
      bench.initialize(icw4: 0x11)
      serve([9], on: bench)
      bench.raise(12)
      return bench.pic.hasInterrupt
    },
    Rule("special fully nested: the master's own lines nest as ever", "special fully nested mode", [0, 1]) { bench in
      bench.initialize(icw4: 0x11)
      serve([12], on: bench)
      bench.raise(3)
      let lower = bench.asks
      bench.raise(1)
      return [lower, bench.asks]
    },
    Rule("without it no line of the slave nests", "fully nested mode", false) { bench in
      bench.initialize()
      serve([12], on: bench)
      bench.raise(9)
      return bench.pic.hasInterrupt
    },
    Rule("the slave's rotation is its own", "OCW2", [0x2f, 0x28]) { bench in
      bench.initialize()
      bench.out(0xa0, 0xc6)
      bench.raise(8)
      bench.raise(15)
      return bench.takeAndEndAll()
    },
    Rule("a slave's level that goes away takes the master's request with it", "cascade mode", [0x04, 0x00]) { bench in
      bench.initialize()
      bench.out(0x4d1, 0x02)
      bench.raise(9)
      let raised = bench.in(0x20)
      bench.lower(9)
      return [raised, bench.in(0x20) | (bench.asks)]
    },
  ]
}
