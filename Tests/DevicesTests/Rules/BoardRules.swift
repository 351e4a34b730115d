import Devices
import Testing

/// The small ports of the board, through its bus.
enum BoardRules {
  private typealias Rule = DeviceRule<BoardBench>

  static let ports: [DeviceRule<BoardBench>] = [
    Rule("debug exit: the value in the access's size", "QEMU: isa-debug-exit", ["debugExit(value: 291)"]) { bench in
      bench[0xf4, 2] = 0x123
      return bench.journal.drain()
    },
    Rule("debug exit: each of its four ports", "QEMU: isa-debug-exit", 4) { bench in
      for port in UInt16(0xf4)...0xf7 { bench[port, 1] = 1 }
      return bench.journal.drain().count
    },
    Rule("debug exit: reads 0", "QEMU: isa-debug-exit", 0) { $0[0xf4, 4] },
    Rule("debug console: reads 0xe9", "Bochs: port 0xe9", 0xe9) { $0[0xe9, 1] },
    Rule("debug console: bytes in order", "Bochs: port 0xe9", ["out 72", "out 105"]) { bench in
      for byte in [72, 105] as [UInt32] { bench[0xe9, 1] = byte }
      return bench.journal.drain()
    },
    Rule("port 0x80 holds its byte", "PC/AT: manufacturing port", 0xa5) { bench in
      bench[0x80, 1] = 0xa5
      return bench[0x80, 1]
    },
    Rule("port 0xf0 ends IRQ 13, once", "PC/AT: math coprocessor", ["irq high", "irq low"]) { bench in
      bench.coprocessor.signal()
      bench.coprocessor.signal()
      bench[0xf0, 1] = 0
      bench[0xf0, 1] = 0
      return bench.journal.drain()
    },
    Rule("port 0xf1 does, too", "PC/AT: math coprocessor", ["irq high", "irq low"]) { bench in
      bench.coprocessor.signal()
      bench[0xf1, 1] = 0
      return bench.journal.drain()
    },
    Rule("CONFIG_ADDRESS: the reserved bits are 0", "PCI 3.0, 3.2.2.3.2", 0x80ff_fffc) { bench in
      bench[0xcf8, 4] = .max
      return bench[0xcf8, 4]
    },
    Rule("CONFIG_ADDRESS: bytes and words are not for it", "PCI 3.0, 3.2.2.3.2", 0x8000_0010) { bench in
      bench[0xcf8, 4] = 0x8000_0010
      bench[0xcf8, 1] = 0xff
      bench[0xcfa, 2] = 0xffff
      return bench[0xcf8, 4]
    },
    Rule("CONFIG_DATA: nobody is there", "PCI 3.0, 3.2.2.3.4", [0xffff_ffff, 0xffff, 0xff]) { bench in
      bench[0xcf8, 4] = 0x8000_0000
      return [bench[0xcfc, 4], bench[0xcfe, 2], bench[0xcfd, 1]]
    },
    Rule("reset control: the rising edge of RCPU", "PIIX: RC", ["reset"]) { bench in
      for value in [0x02, 0x06, 0x06] as [UInt32] { bench[0xcf9, 1] = value }
      return bench.journal.drain()
    },
    Rule("ports of nobody read all ones, and take writes", "ISA bus", [0xff, 0xffff, 0xffff_ffff]) { bench in
      bench[0x300, 4] = 0
      return [bench[0x300, 1], bench[0x300, 2], bench[0x300, 4]]
    },
    Rule("a word is two bytes, the low one first", "ISA bus", ["out 65", "out 66"]) { bench in
      bench[0xe8, 2] = 0x4100
      bench[0xe9, 2] = 0x0042
      return bench.journal.drain()
    },
  ]
}

/// The small ports on a bus.
final class BoardBench {
  let journal = Journal()
  let coprocessor: CoprocessorError
  private let bus = PortBus()

  init() {
    coprocessor = CoprocessorError(interrupt: journal.line())
    do {
      try bus.attach(DebugExitPort(request: journal.requests), at: DebugExitPort.standardPorts)
      try bus.attach(DebugConsole(output: journal.bytes()), at: DebugConsole.standardPorts)
      try bus.attach(POSTPort(), at: POSTPort.standardPorts)
      try bus.attach(coprocessor, at: CoprocessorError.standardPorts)
      try bus.attach(PCIConfigPorts(request: journal.requests), at: PCIConfigPorts.standardPorts)
    } catch {
      fatalError("\(error)")
    }
  }

  subscript(_ port: UInt16, _ size: UInt8) -> UInt32 {
    get { bus.read(port: port, size: size, now: 0) }
    set { bus.write(port: port, size: size, value: newValue, now: 0) }
  }
}

@Suite struct BoardRuleTests {
  @Test(arguments: BoardRules.ports)
  func holds(_ rule: DeviceRule<BoardBench>) { #expect(rule.fault(on: BoardBench()) == nil) }
}
