import Devices
import Testing

/// Remembers the accesses it gets, and answers with the offset.
private final class Spy: PortDevice {
  struct State: DeviceState {
    init() {}
    mutating func code(with coder: inout StateCoder) {}
  }
  let name: String
  let hasWideRegisters: Bool
  var accesses: [String] = []

  init(_ name: String, wide: Bool = false) {
    self.name = name
    hasWideRegisters = wide
  }

  func read(offset: UInt16, size: UInt8, now: UInt64) -> UInt32 {
    accesses.append("r\(size) \(offset)")
    return 0xa0 + UInt32(offset)
  }
  func write(offset: UInt16, size: UInt8, value: UInt32, now: UInt64) {
    accesses.append("w\(size) \(offset) \(value)")
  }
  func snapshot() -> State { State() }
  func restore(_ state: State) {}
}

@Suite struct PortBusTests {
  @Test func devicesSeeOffsets() throws {
    let (bus, spy) = (PortBus(), Spy("spy"))
    try bus.attach(spy, at: [PortRange(0x300, count: 4), PortRange(0x400, count: 1, firstOffset: 7)])
    #expect(bus.read(port: 0x302, size: 1, now: 0) == 0xa2)
    bus.write(port: 0x400, size: 1, value: 5, now: 0)
    #expect(spy.accesses == ["r1 2", "w1 7 5"])
  }

  @Test(arguments: [(UInt8(1), UInt32(0xff)), (2, 0xffff), (4, 0xffff_ffff)])
  func portsOfNobodyReadAllOnes(size: UInt8, expected: UInt32) {
    let bus = PortBus()
    #expect(bus.read(port: 0x1234, size: size, now: 0) == expected)
    #expect(bus.read(port: 0xffff, size: size, now: 0) == expected)
    bus.write(port: 0xffff, size: size, value: 1, now: 0)
  }

  @Test func wideAccessesToByteRegistersAreSplitLowByteFirst() throws {
    let (bus, spy) = (PortBus(), Spy("spy"))
    try bus.attach(spy, at: [PortRange(0x300, count: 8)])
    #expect(bus.read(port: 0x301, size: 4, now: 0) == 0xa4a3_a2a1)
    bus.write(port: 0x300, size: 2, value: 0x1234, now: 0)
    #expect(spy.accesses == ["r1 1", "r1 2", "r1 3", "r1 4", "w1 0 52", "w1 1 18"])
  }

  @Test func wideRegistersGetWholeAccesses() throws {
    let (bus, spy) = (PortBus(), Spy("spy", wide: true))
    try bus.attach(spy, at: [PortRange(0xcf8, count: 8)])
    bus.write(port: 0xcf8, size: 4, value: 0x8000_0000, now: 0)
    _ = bus.read(port: 0xcfe, size: 2, now: 0)
    #expect(spy.accesses == ["w4 0 2147483648", "r2 6"])
  }

  @Test func anAccessAcrossABorderReachesBothSides() throws {
    let (bus, low, high) = (PortBus(), Spy("low", wide: true), Spy("high", wide: true))
    try bus.attach(low, at: [PortRange(0x10, count: 2)])
    try bus.attach(high, at: [PortRange(0x12, count: 1)])
    #expect(bus.read(port: 0x11, size: 4, now: 0) == 0xffff_a0a1)
    #expect(low.accesses == ["r1 1"])
    #expect(high.accesses == ["r1 0"])
  }

  @Test func overlapIsAnError() throws {
    let bus = PortBus()
    try bus.attach(Spy("first"), at: [PortRange(0x60, count: 5)])
    #expect(throws: AssemblyError.overlap(device: "second", with: "first", address: 0x64)) {
      try bus.attach(Spy("second"), at: [PortRange(0x64, count: 1)])
    }
  }

  @Test(arguments: [PortRange(0x60, count: 0), PortRange(0xffff, count: 2)])
  func impossibleRangesAreErrors(_ range: PortRange) {
    #expect(throws: AssemblyError.self) { try PortBus().attach(Spy("spy"), at: [range]) }
  }

  @Test func theWholeSpaceIsARange() throws {
    let (bus, spy) = (PortBus(), Spy("spy"))
    try bus.attach(spy, at: [PortRange(0, count: 0xffff), PortRange(0xffff, count: 1, firstOffset: 3)])
    #expect(bus.read(port: 0xffff, size: 1, now: 0) == 0xa3)
  }
}
