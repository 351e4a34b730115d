import Devices
import Testing

@Suite struct BoardPortTests {
  @Test(arguments: [(UInt8(1), UInt32(0x78)), (2, 0x5678), (4, 0x1234_5678)])
  func debugExitTakesEverySize(size: UInt8, expected: UInt32) throws {
    let (bus, journal) = (PortBus(), Journal())
    try bus.attach(DebugExitPort(request: journal.requests), at: DebugExitPort.standardPorts)
    bus.write(port: 0xf4, size: size, value: 0x1234_5678, now: 0)
    #expect(journal.drain() == ["debugExit(value: \(expected))"])
    #expect(bus.read(port: 0xf4, size: size, now: 0) == 0)
  }

  @Test func debugConsoleIsThereAndPrints() throws {
    let (bus, journal) = (PortBus(), Journal())
    try bus.attach(DebugConsole(output: journal.bytes()), at: DebugConsole.standardPorts)
    #expect(bus.read(port: 0xe9, size: 1, now: 0) == 0xe9)
    bus.write(port: 0xe9, size: 1, value: 65, now: 0)
    #expect(journal.drain() == ["out 65"])
    bus.write(port: 0xe9, size: 2, value: 0x4243, now: 0)
    #expect(journal.drain() == ["out 67"], "the other byte went to port 0xea")
  }

  /// FERR# latches IRQ 13 until port 0xf0 is written (IBM PC/AT technical reference).
  @Test func coprocessorErrorIsLatched() throws {
    let (bus, journal) = (PortBus(), Journal())
    let coprocessor = CoprocessorError(interrupt: journal.line())
    try bus.attach(coprocessor, at: CoprocessorError.standardPorts)
    coprocessor.signal()
    coprocessor.signal()
    #expect(journal.drain() == ["irq high"])
    bus.write(port: 0xf0, size: 1, value: 0, now: 0)
    #expect(journal.drain() == ["irq low"])
    bus.write(port: 0xf0, size: 1, value: 0, now: 0)
    #expect(journal.drain().isEmpty)
  }

  @Test func postPortHoldsItsByte() throws {
    let bus = PortBus()
    try bus.attach(POSTPort(), at: POSTPort.standardPorts)
    bus.write(port: 0x80, size: 1, value: 0x5a, now: 0)
    #expect(bus.read(port: 0x80, size: 1, now: 0) == 0x5a)
  }
}

/// PCI Local Bus 3.0, 3.2.2.3, and the PIIX reset control register.
@Suite struct PCIConfigPortsTests {
  private let bus = PortBus()
  private let journal = Journal()

  init() throws {
    try bus.attach(PCIConfigPorts(request: journal.requests), at: PCIConfigPorts.standardPorts)
  }

  @Test func linuxsProbeFindsMechanismOne() {
    bus.write(port: 0xcfb, size: 1, value: 0x01, now: 0)
    let before = bus.read(port: 0xcf8, size: 4, now: 0)
    bus.write(port: 0xcf8, size: 4, value: 0x8000_0000, now: 0)
    #expect(bus.read(port: 0xcf8, size: 4, now: 0) == 0x8000_0000)
    bus.write(port: 0xcf8, size: 4, value: before, now: 0)
    #expect(bus.read(port: 0xcf8, size: 4, now: 0) == before)
  }

  @Test func reservedAddressBitsReadZero() {
    bus.write(port: 0xcf8, size: 4, value: .max, now: 0)
    #expect(bus.read(port: 0xcf8, size: 4, now: 0) == 0x80ff_fffc)
  }

  @Test func noDeviceAnswers() {
    for device in UInt32(0)..<32 {
      bus.write(port: 0xcf8, size: 4, value: 0x8000_0000 | device << 11, now: 0)
      #expect(bus.read(port: 0xcfc, size: 4, now: 0) == 0xffff_ffff)
      #expect(bus.read(port: 0xcfe, size: 2, now: 0) == 0xffff)
      #expect(bus.read(port: 0xcfc, size: 1, now: 0) == 0xff)
    }
  }

  @Test func resetControl() {
    bus.write(port: 0xcf9, size: 1, value: 0x02, now: 0)
    #expect(journal.entries.isEmpty)
    #expect(bus.read(port: 0xcf9, size: 1, now: 0) == 0x02)
    bus.write(port: 0xcf9, size: 1, value: 0x06, now: 0)
    #expect(journal.drain() == ["reset"])
    bus.write(port: 0xcf9, size: 1, value: 0x06, now: 0)
    #expect(journal.drain() == [], "only a rising edge counts")
  }

  @Test func addressWritesAreNoResets() {
    bus.write(port: 0xcf8, size: 4, value: 0x8000_0600, now: 0)
    #expect(journal.entries.isEmpty)
  }
}
