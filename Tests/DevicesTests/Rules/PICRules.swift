import Devices
import Testing

/// 8259A (Intel order number 231468): initialisation, requests and priorities.
enum PICRules {
  private typealias Rule = DeviceRule<PICBench>

  static let initialisation: [DeviceRule<PICBench>] = [
    Rule("ICW1 clears the mask", "ICW1", 0x00) { bench in
      bench.initialize()
      bench.out(0x21, 0xff)
      bench.out(0x20, 0x11)
      return bench.in(0x21)
    },
    Rule("ICW1 clears what is in service", "ICW1", 0x00) { bench in
      bench.initialize()
      bench.raise(3)
      _ = bench.pic.acknowledge()
      bench.initialize()
      return bench.isr
    },
    Rule("ICW1 makes IR7 the lowest priority again", "ICW1", [0x20, 0x26]) { bench in
      bench.initialize()
      bench.out(0x20, 0xc5)
      bench.initialize()
      bench.raise(6)
      bench.raise(0)
      return bench.takeAndEndAll()
    },
    Rule("ICW1 clears special mask mode", "ICW1", false) { bench in
      bench.initialize()
      bench.out(0x20, 0x68)
      bench.initialize()
      bench.raise(1)
      _ = bench.pic.acknowledge()
      bench.out(0x21, 0x02)
      bench.raise(6)
      return bench.pic.hasInterrupt
    },
    Rule("after ICW1 reads of A0 = 0 give IRR", "ICW1", [0x08, 0x00]) { bench in
      bench.initialize()
      bench.raise(3)
      _ = bench.pic.acknowledge()
      let isr = bench.isr
      bench.initialize()
      return [isr, bench.in(0x20)]
    },
    Rule("ICW1 takes a poll command back", "ICW1", 0x00) { bench in
      bench.initialize()
      bench.out(0x20, 0x0c)
      bench.initialize()
      bench.raise(6)
      bench.out(0x20, 0x0b)
      return bench.in(0x20)
    },
    Rule("ICW1 without IC4 clears the bits of ICW4", "ICW1", 0x08) { bench in
      bench.initialize(icw4: 0x03)
      bench.initialize(icw1: 0x10, icw4: 0x00)
      bench.raise(3)
      _ = bench.pic.acknowledge()
      return bench.isr
    },
    Rule("without IC4 the word after ICW3 is OCW1", "initialisation sequence", 0xa5) { bench in
      for (port, value) in [(0x20, 0x10), (0x21, 0x40), (0x21, 0x04), (0x21, 0xa5)] as [(UInt16, UInt8)] {
        bench.out(port, value)
      }
      return bench.in(0x21)
    },
    Rule("single mode has no ICW3: the second word is ICW4", "initialisation sequence", [0x3c, 0x00]) { bench in
      for (port, value) in [(0x20, 0x13), (0x21, 0x40), (0x21, 0x03), (0x21, 0x3c)] as [(UInt16, UInt8)] {
        bench.out(port, value)
      }
      bench.raise(1)
      _ = bench.pic.acknowledge()
      return [bench.in(0x21), bench.isr]
    },
    Rule("ICW1 in the middle of a sequence starts again", "initialisation sequence", [0x51, 0x40]) { bench in
      bench.out(0x20, 0x11)
      bench.out(0x21, 0x40)
      bench.initialize()
      bench.out(0x20, 0x11)
      for value in [0x50, 0x04, 0x01, 0x40] as [UInt8] { bench.out(0x21, value) }
      bench.raise(1)
      return [bench.pic.acknowledge(), bench.in(0x21)]
    },
    Rule("reads between the words do not count", "initialisation sequence", 0x61) { bench in
      bench.out(0x20, 0x11)
      for value in [0x60, 0x04, 0x01] as [UInt8] {
        _ = bench.in(0x21)
        bench.out(0x21, value)
      }
      bench.raise(1)
      return bench.pic.acknowledge()
    },
    Rule("ICW2's low three bits are the line", "ICW2", 0x7e) { bench in
      for (port, value) in [(0x20, 0x11), (0x21, 0x7f), (0x21, 0x04), (0x21, 0x01)] as [(UInt16, UInt8)] {
        bench.out(port, value)
      }
      bench.raise(6)
      return bench.pic.acknowledge()
    },
    Rule("a line that is high before ICW1 must fall first", "ICW1: the edge sense circuit is reset", [0, 1]) { bench in
      bench.initialize()
      bench.raise(1)
      bench.initialize()
      let before = bench.asks
      bench.lower(1)
      bench.raise(1)
      return [before, bench.asks]
    },
    Rule("a level that is high before ICW1 still counts after it", "ICW1, ELCR", 0x25) { bench in
      bench.out(0x4d0, 0x20)
      bench.raise(5)
      bench.initialize()
      return bench.pic.hasInterrupt ? bench.pic.acknowledge() : 0
    },
  ]

  static let requests: [DeviceRule<PICBench>] = [
    Rule("a request that is masked shows in IRR all the same", "OCW1", [0x10, 0]) { bench in
      bench.initialize()
      bench.out(0x21, 0x10)
      bench.raise(4)
      return [bench.in(0x20), bench.asks]
    },
    Rule("masking a line takes its interrupt back, unmasking gives it", "OCW1", "010") { bench in
      bench.initialize()
      bench.out(0x21, 0x10)
      bench.raise(4)
      return [0x10, 0x00, 0x10].map { (mask: UInt8) in
        bench.out(0x21, mask)
        return bench.pic.hasInterrupt ? "1" : "0"
      }.joined()
    },
    Rule("masking a line in service does not end it", "OCW1", [0x08, 0]) { bench in
      bench.initialize()
      bench.pulse(3)
      _ = bench.pic.acknowledge()
      bench.out(0x21, 0x08)
      bench.raise(5)
      return [bench.isr, bench.asks]
    },
    Rule("a level that goes away before INTA gives IR7's vector", "interrupt sequence", 0x27) { bench in
      bench.initialize()
      bench.out(0x4d0, 0x20)
      bench.raise(5)
      bench.lower(5)
      return bench.pic.acknowledge()
    },
    Rule("a spurious IR7 sets no bit in service", "interrupt sequence", 0x00) { bench in
      bench.initialize()
      _ = bench.pic.acknowledge()
      return bench.isr
    },
    Rule("a real IR7 does", "interrupt sequence", [0x27, 0x80]) { bench in
      bench.initialize()
      bench.raise(7)
      return [bench.pic.acknowledge(), bench.isr]
    },
    Rule("the spurious vector does not rotate", "interrupt sequence", 0x27) { bench in
      bench.initialize()
      bench.out(0x20, 0xc2)
      return bench.pic.acknowledge()
    },
    Rule("an edge is kept when its line falls early", "as KVM's and QEMU's 8259A, for timers that come late", 0x24) {
      bench in
      bench.initialize()
      bench.pulse(4)
      return bench.pic.acknowledge()
    },
    Rule("INTA takes the request of an edge", "interrupt sequence", [0x10, 0x00]) { bench in
      bench.initialize()
      bench.raise(4)
      let before = bench.in(0x20)
      _ = bench.pic.acknowledge()
      return [before, bench.in(0x20)]
    },
    Rule("INTA leaves the request of a level", "interrupt sequence, ELCR", [0x20, 0x20]) { bench in
      bench.initialize()
      bench.out(0x4d0, 0x20)
      bench.raise(5)
      let before = bench.in(0x20)
      _ = bench.pic.acknowledge()
      return [before, bench.in(0x20)]
    },
    Rule("an edge in service is noted again, and comes after the end", "fully nested mode", [0x10, 0x24]) { bench in
      bench.initialize()
      bench.raise(4)
      _ = bench.pic.acknowledge()
      bench.lower(4)
      bench.raise(4)
      let again = bench.in(0x20)
      bench.out(0x20, 0x20)
      return [again, bench.pic.acknowledge()]
    },
    Rule("a line that becomes level-triggered shows its level", "ELCR", [0x00, 0x20]) { bench in
      bench.initialize()
      bench.raise(5)
      _ = bench.pic.acknowledge()
      let edge = bench.in(0x20)
      bench.out(0x4d0, 0x20)
      return [edge, bench.in(0x20)]
    },
    Rule("IRQ 0, 1, 2, 8 and 13 are never level-triggered", "PIIX: ELCR1, ELCR2", [0xf8, 0xde]) { bench in
      bench.out(0x4d0, 0xff)
      bench.out(0x4d1, 0xff)
      return [bench.in(0x4d0), bench.in(0x4d1)]
    },
    Rule("LTIM makes every line level-triggered", "ICW1", [0x21, 0x21]) { bench in
      bench.initialize(icw1: 0x19)
      bench.raise(1)
      let first = bench.pic.acknowledge()
      bench.out(0x20, 0x20)
      return [first, bench.pic.hasInterrupt ? bench.pic.acknowledge() : 0]
    },
  ]
}

extension PICBench {
  /// ISR of the chip at `port`; the next reads give IRR again.
  func isr(_ port: UInt16) -> UInt8 {
    out(port, 0x0b)
    defer { out(port, 0x0a) }
    return self.in(port)
  }
  var isr: UInt8 { isr(0x20) }
  /// The output to the CPU, as a number.
  var asks: UInt8 { pic.hasInterrupt ? 1 : 0 }

  /// Takes every interrupt and ends it, unspecifically.
  func takeAndEndAll() -> [UInt8] {
    var vectors: [UInt8] = []
    while pic.hasInterrupt, vectors.count < 20 {
      let vector = pic.acknowledge()
      vectors.append(vector)
      if vector >= 0x28 { out(0xa0, 0x20) }
      out(0x20, 0x20)
    }
    return vectors
  }
}

@Suite struct PICRuleTests {
  @Test(arguments: PICRules.initialisation + PICRules.requests + PICRules.commands + PICRules.cascade)
  func holds(_ rule: DeviceRule<PICBench>) { #expect(rule.fault(on: PICBench()) == nil) }
}
