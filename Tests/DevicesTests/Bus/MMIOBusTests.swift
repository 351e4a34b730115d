import Devices
import Testing
import VMMCore

private final class Registers: MMIODevice {
  struct State: DeviceState {
    init() {}
    mutating func code(with coder: inout StateCoder) {}
  }
  let name: String
  var accesses: [String] = []

  init(_ name: String) { self.name = name }

  func read(offset: UInt64, size: UInt8, now: UInt64) -> UInt64 {
    accesses.append("r\(size) \(offset)")
    return offset & 0xff
  }
  func write(offset: UInt64, size: UInt8, value: UInt64, now: UInt64) {
    accesses.append("w\(size) \(offset) \(value)")
  }
  func snapshot() -> State { State() }
  func restore(_ state: State) {}
}

@Suite struct MMIOBusTests {
  private let base = GuestPhysicalAddress(0xfee0_0000)

  @Test func devicesSeeOffsetsAndWholeAccesses() throws {
    let (bus, device) = (MMIOBus(), Registers("apic"))
    try bus.attach(device, at: base, count: 0x1000)
    #expect(bus.read(address: base + 0x20, size: 4, now: 0) == 0x20)
    bus.write(address: base + 0xff8, size: 8, value: .max, now: 0)
    #expect(device.accesses == ["r4 32", "w8 4088 \(UInt64.max)"])
  }

  @Test(arguments: [UInt8(1), 2, 3, 4, 5, 6, 7, 8])
  func addressesOfNobodyReadAllOnes(size: UInt8) {
    let expected = UInt64.max >> (64 - 8 * UInt64(size))
    #expect(MMIOBus().read(address: GuestPhysicalAddress(.max - 2), size: size, now: 0) == expected)
  }

  @Test func anAccessAcrossABorderIsSplit() throws {
    let (bus, device) = (MMIOBus(), Registers("apic"))
    try bus.attach(device, at: base, count: 0x10)
    #expect(bus.read(address: base + 0xf, size: 2, now: 0) == 0xff0f)
    bus.write(address: GuestPhysicalAddress(base.rawValue - 1), size: 2, value: 0x1234, now: 0)
    #expect(device.accesses == ["r1 15", "w1 0 18"])
  }

  @Test func overlapAndImpossibleRangesAreErrors() throws {
    let bus = MMIOBus()
    try bus.attach(Registers("one"), at: base, count: 0x1000)
    try bus.attach(Registers("after"), at: base + 0x1000, count: 1)
    #expect(throws: AssemblyError.overlap(device: "two", with: "one", address: 0xfee0_0fff)) {
      try bus.attach(Registers("two"), at: base + 0xfff, count: 1)
    }
    #expect(throws: AssemblyError.self) { try bus.attach(Registers("none"), at: base, count: 0) }
    #expect(throws: AssemblyError.self) {
      try bus.attach(Registers("huge"), at: GuestPhysicalAddress(.max), count: 2)
    }
    try bus.attach(Registers("last"), at: GuestPhysicalAddress(.max), count: 1)
  }
}
