import Devices
import Testing

/// How the interrupt controllers of a PC are wired (Intel MultiProcessor Specification 1.4, 3.6.2).
enum WiringRules {
  private typealias Rule = DeviceRule<WiringBench>

  static let modes: [DeviceRule<WiringBench>] = [
    Rule("PIC mode, as firmware leaves it: the 8259A's interrupts reach the CPU", "3.6.2.1", [0x24]) { bench in
      bench.initializePIC()
      bench.controllers.line(4).set(true)
      return bench.take()
    },
    Rule("virtual wire mode through LINT0", "3.6.2.2", [0x24]) { bench in
      bench.initializePIC()
      bench.openLocalAPIC(lint0: 0x700)
      bench.controllers.line(4).set(true)
      return bench.take()
    },
    Rule("virtual wire mode through pin 0 of the I/O APIC", "3.6.2.2", [0x24]) { bench in
      bench.initializePIC()
      bench.openLocalAPIC(lint0: 0x1_0700)
      bench.redirect(0, 0x0700)
      bench.controllers.line(4).set(true)
      return bench.take()
    },
    Rule("pin 0 masked: the way is closed", "3.6.2.2", []) { bench in
      bench.initializePIC()
      bench.openLocalAPIC(lint0: 0x1_0700)
      bench.redirect(0, 0x1_0700)
      bench.controllers.line(4).set(true)
      return bench.take()
    },
    Rule("pin 0 to another processor: the way is closed", "3.6.2.2", []) { bench in
      bench.initializePIC()
      bench.openLocalAPIC(lint0: 0x1_0700)
      bench.redirect(0, 0x0700, destination: 5)
      bench.controllers.line(4).set(true)
      return bench.take()
    },
    Rule("pin 0 in fixed mode: the 8259A's output is a pin like others", "82093AA, 3.2.4", [0x55]) { bench in
      bench.initializePIC()
      bench.openLocalAPIC(lint0: 0x1_0700)
      bench.redirect(0, 0x0055)
      bench.controllers.line(4).set(true)
      return bench.take()
    },
    Rule("LINT0 in fixed mode: the same", "SDM vol. 3, 11.5.1", [0x38]) { bench in
      bench.initializePIC()
      bench.openLocalAPIC(lint0: 0x38)
      bench.controllers.line(4).set(true)
      return bench.take()
    },
    Rule("symmetric mode: IRQ 0 is pin 2, the others are their numbers", "3.6.2.3, table of overrides", [0x44, 0x42]) {
      bench in
      bench.openLocalAPIC(lint0: 0x1_0700)
      bench.redirect(2, 0x42)
      bench.redirect(4, 0x44)
      bench.controllers.line(0).set(true)
      bench.controllers.line(4).set(true)
      return bench.take()
    },
    Rule("both ways open: an interrupt comes twice", "3.6.2.3", [0x44, 0x24]) { bench in
      bench.initializePIC()
      bench.openLocalAPIC(lint0: 0x700)
      bench.redirect(4, 0x44)
      bench.controllers.line(4).set(true)
      return bench.take()
    },
    Rule("the APIC's interrupts go before the 8259A's", "this board", [0x66, 0x24]) { bench in
      bench.initializePIC()
      bench.openLocalAPIC(lint0: 0x700)
      bench.controllers.line(4).set(true)
      bench.apic(0x300, 0x4_0066)
      return bench.take()
    },
    Rule("the 8259A's come whatever the task priority is", "SDM vol. 3, 11.8.1", [0x24]) { bench in
      bench.initializePIC()
      bench.openLocalAPIC(lint0: 0x700)
      bench.apic(0x80, 0xf0)
      bench.controllers.line(4).set(true)
      bench.apic(0x300, 0x4_0066)
      return bench.take()
    },
    Rule("a level lasts: it comes again after its EOI", "82093AA, 3.2.4", [0x39, 0x39, 0x39]) { bench in
      bench.openLocalAPIC(lint0: 0x1_0700)
      bench.redirect(9, 0x8039)
      bench.controllers.line(9).set(true)
      return bench.take(atMost: 3)
    },
    Rule("an NMI through a pin", "82093AA, 3.2.4", 1) { bench in
      bench.openLocalAPIC(lint0: 0x1_0700)
      bench.redirect(4, 0x0400)
      bench.controllers.line(4).set(true)
      return bench.nmis + bench.take().count
    },
    Rule("an illegal vector is an error of the receiver", "SDM vol. 3, 11.5.3", 0x40) { bench in
      bench.openLocalAPIC(lint0: 0x1_0700)
      bench.redirect(4, 0x0004)
      bench.controllers.line(4).set(true)
      bench.apic(0x280, 0)
      return bench.controllers.apic.read(offset: 0x280, size: 4, now: 0)
    },
  ]
}

/// All interrupt controllers on a bench.
final class WiringBench {
  private(set) var nmis = 0
  private(set) var controllers: InterruptControllers!

  init() { controllers = InterruptControllers(nmi: { [unowned self] in nmis += 1 }) }

  func apic(_ offset: UInt64, _ value: UInt64) {
    controllers.apic.write(offset: offset, size: 4, value: value, now: 0)
  }

  func openLocalAPIC(lint0: UInt64) {
    apic(0xf0, 0x1ff)
    apic(0x350, lint0)
  }

  func redirect(_ pin: UInt64, _ value: UInt64, destination: UInt64 = 0) {
    for (register, word) in [(0x11 + 2 * pin, destination << 24), (0x10 + 2 * pin, value)] {
      controllers.ioapic.write(offset: 0, size: 4, value: register, now: 0)
      controllers.ioapic.write(offset: 0x10, size: 4, value: word, now: 0)
    }
  }

  func initializePIC() {
    for (offset, value) in [(UInt16(0), UInt8(0x11)), (1, 0x20), (1, 0x04), (1, 0x01)] {
      controllers.pic.writeByte(offset: offset, value: value, now: 0)
    }
  }

  /// Takes and ends what comes.
  func take(atMost limit: Int = 10) -> [UInt8] {
    var vectors: [UInt8] = []
    while controllers.hasInterrupt, vectors.count < limit {
      let vector = controllers.acknowledge()
      vectors.append(vector)
      if vector & 0xf8 == 0x20 {
        controllers.pic.writeByte(offset: 0, value: 0x20, now: 0)
      } else {
        apic(0xb0, 0)
      }
    }
    return vectors
  }
}

@Suite struct WiringRuleTests {
  @Test(arguments: WiringRules.modes)
  func holds(_ rule: DeviceRule<WiringBench>) { #expect(rule.fault(on: WiringBench()) == nil) }
}
