import Devices
import Testing

/// ACPI specification 6.4, chapter 5: offsets and contents, as an operating system finds them.
@Suite struct ACPITableTests {
  private let memory = TableReader(base: 0xe_0000, bytes: ACPITables.make(at: 0xe_0000))

  /// The tables that the XSDT names, by signature.
  private func table(_ signature: String) throws -> UInt32 {
    let xsdt = UInt32(memory.value(0xe_0018, 8))
    let count = (memory.u32(xsdt + 4) - 36) / 8
    let addresses = (0..<count).map { UInt32(memory.value(xsdt + 36 + 8 * $0, 8)) }
    return try #require(addresses.first { memory.text($0, 4) == signature })
  }

  @Test func rootPointer() {
    #expect(memory.text(0xe_0000, 8) == "RSD PTR ")
    #expect(memory.sum(0xe_0000, 20) == 0)
    #expect(memory.sum(0xe_0000, 36) == 0)
    #expect(memory.u8(0xe_000f) == 2)
    #expect(memory.u32(0xe_0014) == 36)
  }

  @Test func bothRootTablesNameTheSameTables() {
    let (rsdt, xsdt) = (memory.u32(0xe_0010), UInt32(memory.value(0xe_0018, 8)))
    #expect(memory.text(rsdt, 4) == "RSDT")
    #expect(memory.text(xsdt, 4) == "XSDT")
    #expect(memory.u32(rsdt + 4) == 36 + 2 * 4)
    #expect(memory.u32(xsdt + 4) == 36 + 2 * 8)
    for index in UInt32(0)..<2 {
      #expect(UInt64(memory.u32(rsdt + 36 + 4 * index)) == memory.value(xsdt + 36 + 8 * index, 8))
    }
  }

  @Test func everyTableAddsUpToZero() throws {
    let dsdt = memory.u32(try table("FACP") + 40)
    for address in [memory.u32(0xe_0010), memory.u32(0xe_0018), try table("FACP"), try table("APIC"), dsdt] {
      #expect(memory.sum(address, Int(memory.u32(address + 4))) == 0, "\(memory.text(address, 4))")
    }
  }

  @Test func fixedTableNamesThePorts() throws {
    let fadt = try table("FACP")
    #expect(memory.u32(fadt + 4) == 244)
    #expect(memory.u16(fadt + 46) == 9, "SCI")
    #expect(memory.u32(fadt + 48) == 0, "no SMI command port")
    #expect(memory.u32(fadt + 56) == 0x600)
    #expect(memory.u32(fadt + 64) == 0x604)
    #expect(memory.u32(fadt + 76) == 0x608)
    #expect(memory.u8(fadt + 88) == 4)
    #expect(memory.u8(fadt + 89) == 2)
    #expect(memory.u8(fadt + 91) == 4)
    #expect(memory.u8(fadt + 108) == 0x32, "century")
    #expect(memory.u16(fadt + 109) & 3 == 3, "legacy devices and 8042")
    #expect(memory.u32(fadt + 112) & 0x400 != 0, "the reset register is there")
    #expect(memory.u32(fadt + 112) & 0x100 == 0, "a 24-bit timer")
    #expect(memory.value(fadt + 116, 4) == 0x0100_0801)
    #expect(memory.value(fadt + 120, 8) == 0xcf9)
    #expect(memory.u8(fadt + 128) == 6)
    #expect(memory.value(fadt + 152, 8) == 0x600)
    #expect(memory.value(fadt + 176, 8) == 0x604)
    #expect(memory.value(fadt + 208, 4) == 0x0300_2001)
    #expect(memory.value(fadt + 212, 8) == 0x608)
  }

  @Test func aLongTimerIsAnnounced() {
    let long = TableReader(base: 0, bytes: ACPITables.make(at: 0, timerBits: 32))
    let xsdt = UInt32(long.value(24, 8))
    #expect(long.u32(UInt32(long.value(xsdt + 36, 8)) + 112) & 0x100 != 0)
  }

  @Test func facsIsAligned() throws {
    let facs = memory.u32(try table("FACP") + 36)
    #expect(facs % 64 == 0)
    #expect(memory.text(facs, 4) == "FACS")
    #expect(memory.u32(facs + 4) == 64)
    #expect(UInt64(facs) == memory.value(try table("FACP") + 132, 8))
  }

  @Test func s5IsDefined() throws {
    let dsdt = memory.u32(try table("FACP") + 40)
    #expect(memory.text(dsdt, 4) == "DSDT")
    let code = (36..<memory.u32(dsdt + 4)).map { memory.u8(dsdt + $0) }
    let type = UInt8(PowerManagement.softOffSleepType)
    // Name (\_S5_, Package (4) { type, type, 0, 0 })
    #expect(code == [0x08, 0x5c, 0x5f, 0x53, 0x35, 0x5f, 0x12, 10, 4, 10, type, 10, type, 10, 0, 10, 0])
  }

  @Test func interruptControllersAreListed() throws {
    let madt = try table("APIC")
    #expect(memory.u32(madt + 36) == 0xfee0_0000)
    #expect(memory.u32(madt + 40) & 1 == 1)
    var entries: [UInt8: [UInt32]] = [:]
    var place = madt + 44
    while place < madt + memory.u32(madt + 4) {
      entries[memory.u8(place), default: []].append(place)
      place += UInt32(memory.u8(place + 1))
    }
    #expect(place == madt + memory.u32(madt + 4))
    let ioapic = try #require(entries[1]?.first)
    #expect(memory.u32(ioapic + 4) == 0xfec0_0000)
    #expect(entries[0]?.count == 1)
    let overrides = (entries[2] ?? []).map { (memory.u8($0 + 3), memory.u32($0 + 4), memory.u16($0 + 8)) }
    #expect(overrides.map(\.0) == [0, 9])
    #expect(overrides.map(\.1) == [2, 9])
    #expect(overrides.map(\.2) == [0, 0xd])
    #expect(entries[4]?.count == 1)
  }

  @Test func everythingMovesWithTheAddress() {
    let other = ACPITables.make(at: 0x10_0000)
    #expect(other.count == memory.bytes.count)
    #expect(other.count < 4096)
    #expect(other != memory.bytes)
  }
}
