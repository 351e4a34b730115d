import Testing

@testable import Devices

/// 82093AA I/O APIC (Intel order number 290566).
enum IOAPICRules {
  private typealias Rule = DeviceRule<IOAPICBench>

  static let registers: [DeviceRule<IOAPICBench>] = [
    Rule("24 pins, version 0x11", "3.2.2", 0x0017_0011) { $0[1] },
    Rule("the version cannot be written", "3.2.2", 0x0017_0011) { bench in
      bench[1] = 0
      return bench[1]
    },
    Rule("the ID has 4 bits", "3.2.1", 0x0a00_0000) { bench in
      bench[0] = 0xfaff_ffff
      return bench[0]
    },
    Rule("the arbitration ID follows the ID", "3.2.3", 0x0a00_0000) { bench in
      bench[0] = 0x0a00_0000
      return bench[2]
    },
    Rule("and cannot be written", "3.2.3", [0x0100_0000, 0x0100_0000]) { bench in
      bench[2] = 0x0f00_0000
      return [bench[0], bench[2]]
    },
    Rule("IOREGSEL has 8 bits", "3.1.1", 0x10) { bench in
      bench.ioapic.write(offset: 0, size: 4, value: 0xffff_ff10, now: 0)
      return bench.ioapic.read(offset: 0, size: 4, now: 0)
    },
    Rule("entries are masked at first", "3.2.4", [0x1_0000, 0]) { bench in [bench[0x10], bench[0x11]] },
    Rule("delivery status and remote IRR cannot be written, reserved bits are 0", "3.2.4", [0x1_afff, 0xff00_0000]) {
      bench in
      bench[0x10] = .max
      bench[0x11] = .max
      return [bench[0x10], bench[0x11]]
    },
    Rule("the last entry", "3.2.4", [0x1_0055, 0x0300_0000]) { bench in
      bench[0x3e] = 0x1_0055
      bench[0x3f] = 0x0300_0000
      return [bench[0x3e], bench[0x3f]]
    },
    Rule("no register behind it", "3.2", [0, 0]) { bench in
      bench[0x40] = .max
      return [bench[0x40], bench[0xff]]
    },
    Rule("each half of an entry keeps the other", "3.2.4", [0x1_0031, 0x0500_0000, 0x0500_0000]) { bench in
      bench[0x12] = 0x1_0031
      bench[0x13] = 0x0500_0000
      let both = [bench[0x12], bench[0x13]]
      bench[0x12] = 0x1_0032
      return both + [bench[0x13]]
    },
  ]

  static let edges: [DeviceRule<IOAPICBench>] = [
    Rule("an edge is sent once", "3.2.4: trigger mode", [0x31]) { bench in
      bench[0x12] = 0x31
      bench.ioapic.setPin(1, true)
      bench.ioapic.setPin(1, true)
      return bench.vectors
    },
    Rule("the falling edge is none", "3.2.4: trigger mode", [0x31, 0x31]) { bench in
      bench[0x12] = 0x31
      for level in [true, false, true] { bench.ioapic.setPin(1, level) }
      return bench.vectors
    },
    Rule("an edge at a masked pin is lost", "3.2.4: interrupt mask", []) { bench in
      bench[0x12] = 0x1_0031
      bench.ioapic.setPin(1, true)
      bench[0x12] = 0x31
      return bench.vectors
    },
    Rule("an edge has no remote IRR", "3.2.4: remote IRR", 0) { bench in
      bench[0x12] = 0x31
      bench.ioapic.setPin(1, true)
      return bench[0x12] & 0x4000
    },
    Rule("an edge does not wait for an EOI", "3.2.4: trigger mode", [0x31, 0x31, 0x31]) { bench in
      bench[0x12] = 0x31
      for _ in 0..<3 { bench.pulse(1) }
      return bench.vectors
    },
    Rule("destination, its mode and the delivery mode go along", "3.2.4", "lowestPriority logical 5 edge") { bench in
      bench[0x13] = 0x0500_0000
      bench[0x12] = 0x0931
      bench.pulse(1)
      return bench.text
    },
    Rule("delivery modes", "3.2.4: delivery mode", ["fixed", "lowestPriority", "smi", "nmi", "initialize", "external"])
    {
      bench in
      for mode in [0, 1, 2, 4, 5, 7] as [UInt32] {
        bench[0x12] = mode << 8 | 0x31
        bench.pulse(1)
      }
      return bench.receiver.messages.map { "\($0.mode)" }
    },
  ]

  static let levels: [DeviceRule<IOAPICBench>] = [
    Rule("a level is sent once until its EOI", "3.2.4: remote IRR", [0x31]) { bench in
      bench[0x12] = 0x8031
      for level in [true, false, true] { bench.ioapic.setPin(1, level) }
      return bench.vectors
    },
    Rule("remote IRR from then to the EOI", "3.2.4: remote IRR", [0, 0x4000, 0]) { bench in
      bench[0x12] = 0x8031
      let before = bench[0x12] & 0x4000
      bench.ioapic.setPin(1, true)
      let sent = bench[0x12] & 0x4000
      bench.ioapic.setPin(1, false)
      bench.ioapic.endOfInterrupt(0x31)
      return [before, sent, bench[0x12] & 0x4000]
    },
    Rule("a level that lasts is sent again at the EOI", "3.2.4: remote IRR", [0x31, 0x31]) { bench in
      bench[0x12] = 0x8031
      bench.ioapic.setPin(1, true)
      bench.ioapic.endOfInterrupt(0x31)
      return bench.vectors
    },
    Rule("the EOI of another vector ends nothing", "3.2.4: remote IRR", [0x31]) { bench in
      bench[0x12] = 0x8031
      bench.ioapic.setPin(1, true)
      bench.ioapic.endOfInterrupt(0x32)
      return bench.vectors
    },
    Rule("an EOI is for every pin with its vector", "3.2.4: remote IRR", [0x31, 0x31, 0x31, 0x31]) { bench in
      for (register, pin) in [(UInt8(0x12), 1), (0x14, 2)] {
        bench[register] = 0x8031
        bench.ioapic.setPin(pin, true)
      }
      bench.ioapic.endOfInterrupt(0x31)
      return bench.vectors
    },
    Rule("a masked level is not sent", "3.2.4: interrupt mask", []) { bench in
      bench[0x12] = 0x1_8031
      bench.ioapic.setPin(1, true)
      return bench.vectors
    },
    Rule("one that lasts until it is unmasked is", "3.2.4: interrupt mask", [0x31]) { bench in
      bench[0x12] = 0x1_8031
      bench.ioapic.setPin(1, true)
      bench[0x12] = 0x8031
      return bench.vectors
    },
    Rule("one that is over by then is not", "3.2.4: interrupt mask", []) { bench in
      bench[0x12] = 0x1_8031
      bench.pulse(1)
      bench[0x12] = 0x8031
      return bench.vectors
    },
    Rule("masked in service: the EOI sends nothing, unmasking does", "3.2.4: interrupt mask", [1, 2]) { bench in
      bench[0x12] = 0x8031
      bench.ioapic.setPin(1, true)
      bench[0x12] = 0x1_8031
      bench.ioapic.endOfInterrupt(0x31)
      let masked = bench.vectors.count
      bench[0x12] = 0x8031
      return [masked, bench.vectors.count]
    },
    Rule("masking and unmasking in service sends nothing", "3.2.4: remote IRR", [0x31]) { bench in
      bench[0x12] = 0x8031
      bench.ioapic.setPin(1, true)
      bench[0x12] = 0x1_8031
      bench[0x12] = 0x8031
      return bench.vectors
    },
    Rule("an entry that becomes level-triggered at a high pin is sent", "3.2.4: trigger mode", [0x31, 0x31]) { bench in
      bench[0x12] = 0x31
      bench.ioapic.setPin(1, true)
      bench[0x12] = 0x8031
      return bench.vectors
    },
    Rule("one that becomes edge-triggered has no remote IRR any more", "as kernels clear a stuck one", 0) { bench in
      bench[0x12] = 0x8031
      bench.ioapic.setPin(1, true)
      bench[0x12] = 0x0031
      bench[0x12] = 0x1_8031
      return bench[0x12] & 0x4000
    },
    Rule("what nobody accepts sets no remote IRR", "3.2.4: remote IRR", 0) { bench in
      bench.receiver.accepts = false
      bench[0x12] = 0x8031
      bench.ioapic.setPin(1, true)
      return bench[0x12] & 0x4000
    },
    Rule("pins are asserted or not: polarity changes nothing", "as KVM's I/O APIC", [0x31, 0x2000]) { bench in
      bench[0x12] = 0x2031
      bench.ioapic.setPin(1, true)
      return bench.vectors.map { UInt32($0) } + [bench[0x12] & 0x2000]
    },
  ]
}

/// An I/O APIC on a bench: registers by their numbers.
final class IOAPICBench {
  final class Receiver {
    var messages: [InterruptMessage] = []
    var accepts = true
  }
  let receiver = Receiver()
  let ioapic: IOAPIC

  init() {
    let receiver = receiver
    ioapic = IOAPIC(send: { message in
      receiver.messages.append(message)
      return receiver.accepts
    })
  }

  subscript(_ register: UInt8) -> UInt32 {
    get {
      ioapic.write(offset: 0, size: 4, value: UInt64(register), now: 0)
      return UInt32(truncatingIfNeeded: ioapic.read(offset: 0x10, size: 4, now: 0))
    }
    set {
      ioapic.write(offset: 0, size: 4, value: UInt64(register), now: 0)
      ioapic.write(offset: 0x10, size: 4, value: UInt64(newValue), now: 0)
    }
  }

  func pulse(_ pin: Int) {
    ioapic.setPin(pin, true)
    ioapic.setPin(pin, false)
  }

  var vectors: [UInt8] { receiver.messages.map(\.vector) }

  /// The last message in words.
  var text: String {
    guard let message = receiver.messages.last else { return "none" }
    return "\(message.mode) \(message.isLogical ? "logical" : "physical") \(message.destination) "
      + (message.isLevelTriggered ? "level" : "edge")
  }
}

@Suite struct IOAPICRuleTests {
  @Test(arguments: IOAPICRules.registers + IOAPICRules.edges + IOAPICRules.levels)
  func holds(_ rule: DeviceRule<IOAPICBench>) { #expect(rule.fault(on: IOAPICBench()) == nil) }
}
