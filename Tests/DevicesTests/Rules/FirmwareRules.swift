import Devices
import Testing

/// The firmware's tables against each other and against the devices that they describe.
enum FirmwareRules {
  private typealias Rule = DeviceRule<FirmwareBench>

  static let tables: [DeviceRule<FirmwareBench>] = [
    Rule("the RSDP lies on 16 bytes between 0xe0000 and 0xfffff", "ACPI 6.4, 5.2.5.1", 0) { bench in
      bench.rsdp % 16 + (0xe_0000...0xf_ffff).contains(bench.rsdp).faults
    },
    Rule("all tables add up to 0", "ACPI 6.4, 5.2.6", [0, 0, 0, 0, 0]) { bench in
      let roots = [bench.acpi.u32(bench.rsdp + 16), bench.acpi.u32(bench.rsdp + 24)]
      return (roots + [bench.fadt, bench.madt, bench.acpi.u32(bench.fadt + 40)]).map { table in
        bench.acpi.sum(table, Int(bench.acpi.u32(table + 4)))
      }
    },
    Rule("the FACS lies on 64 bytes", "ACPI 6.4, 5.2.10", 0) { bench in bench.acpi.u32(bench.fadt + 36) % 64 },
    Rule("the long addresses of the FADT are the short ones", "ACPI 6.4, 5.2.9", [0, 0, 0, 0, 0]) { bench in
      [(36, 132), (40, 140), (56, 152), (64, 176), (76, 212)].map { short, long in
        UInt64(bench.acpi.u32(bench.fadt + short)) ^ bench.acpi.value(bench.fadt + long, 8)
      }
    },
    Rule("the FADT's ports are those of the power management", "ACPI 6.4, 4.8.1", [0x600, 0x604, 0x608]) { bench in
      [56, 64, 76].map { bench.acpi.u32(bench.fadt + $0) }
    },
    Rule("no SMI command port: the machine is in ACPI mode", "ACPI 6.4, 5.2.9", 0) { bench in
      bench.acpi.u32(bench.fadt + 48)
    },
    Rule("the MP table lies on 16 bytes and adds up to 0", "MP 1.4, 4.1, 4.2", [0, 0, 0]) { bench in
      let length = Int(bench.mp.u16(bench.mpTable + 4))
      return [
        UInt8(bench.mpTable % 16), bench.mp.sum(FirmwareBench.mpAddress, 16), bench.mp.sum(bench.mpTable, length),
      ]
    },
    Rule("both name the same APICs", "MP 1.4, 4.3.3; ACPI 6.4, 5.2.12", [0xfee0_0000, 0xfec0_0000, 1]) { bench in
      [bench.mp.u32(bench.mpTable + 36), bench.mpIOAPIC(4), bench.mpIOAPIC(1) & 0xff]
    },
    Rule("and the MADT", "ACPI 6.4, 5.2.12", [0xfee0_0000, 0xfec0_0000, 1]) { bench in
      [bench.acpi.u32(bench.madt + 36)]
        + bench.madtEntries(1).flatMap { [bench.acpi.u32($0 + 4), UInt32(bench.acpi.u8($0 + 2))] }
    },
    Rule("both have IRQ 0 at pin 2, IRQ 9 as a level", "MP 1.4, 4.3.4; ACPI 6.4, 5.2.12.5", [2, 0, 9, 0xd]) {
      bench in
      let overrides = bench.madtEntries(2)
      let madt = overrides.flatMap { [bench.acpi.u32($0 + 4), UInt32(bench.acpi.u16($0 + 8))] }
      let mp = [0, 9].flatMap { irq in bench.mpInterrupt(irq: irq).map { [UInt32($0.pin), UInt32($0.flags)] } ?? [] }
      return madt == mp ? madt : madt + mp
    },
    Rule("the 8259A is at pin 0 and at LINT0, NMI at LINT1", "MP 1.4, 4.3.4, 4.3.5", [0, 0, 1]) { bench in
      let external = bench.mpEntries.filter { bench.mp.u8($0 + 1) == 3 }
      let nmi = bench.mpEntries.filter { bench.mp.u8($0 + 1) == 1 && bench.mp.u8($0) == 4 }
      return (external + nmi).map { bench.mp.u8($0 + 7) }
    },
  ]
}

/// The tables of the machine, as its guests find them.
final class FirmwareBench {
  static let mpAddress = MPTable.standardAddress

  let acpi = TableReader(
    base: ACPITables.standardAddress, bytes: ACPITables.make(at: ACPITables.standardAddress))
  let mp = TableReader(
    base: FirmwareBench.mpAddress, bytes: MPTable.make(at: FirmwareBench.mpAddress, signature: 1, features: 2))

  var rsdp: UInt32 { ACPITables.standardAddress }
  var fadt: UInt32 { table("FACP") }
  var madt: UInt32 { table("APIC") }
  var mpTable: UInt32 { mp.u32(FirmwareBench.mpAddress + 4) }

  private func table(_ signature: String) -> UInt32 {
    let rsdt = acpi.u32(rsdp + 16)
    let tables = (0..<(acpi.u32(rsdt + 4) - 36) / 4).map { acpi.u32(rsdt + 36 + 4 * $0) }
    return tables.first { acpi.text($0, 4) == signature } ?? 0
  }

  /// The entries of a type in the MADT.
  func madtEntries(_ type: UInt8) -> [UInt32] {
    var places: [UInt32] = []
    var place = madt + 44
    while place < madt + acpi.u32(madt + 4) {
      if acpi.u8(place) == type { places.append(place) }
      place += UInt32(acpi.u8(place + 1))
    }
    return places
  }

  /// The entries of 8 bytes in the MP table: all but the processor's.
  var mpEntries: [UInt32] {
    let end = mpTable + UInt32(mp.u16(mpTable + 4))
    return Array(stride(from: mpTable + 44 + 20, to: end, by: 8))
  }

  /// A word of the I/O APIC's entry.
  func mpIOAPIC(_ offset: UInt32) -> UInt32 {
    mpEntries.first { mp.u8($0) == 2 }.map { offset == 4 ? mp.u32($0 + 4) : UInt32(mp.u8($0 + offset)) } ?? 0
  }

  /// Where the MP table has an IRQ.
  func mpInterrupt(irq: UInt8) -> (pin: UInt8, flags: UInt16)? {
    mpEntries.first { mp.u8($0) == 3 && mp.u8($0 + 1) == 0 && mp.u8($0 + 5) == irq }
      .map { (mp.u8($0 + 7), mp.u16($0 + 2)) }
  }
}

extension Bool {
  /// 0 when it holds.
  fileprivate var faults: UInt32 { self ? 0 : 1 }
}

@Suite struct FirmwareRuleTests {
  @Test(arguments: FirmwareRules.tables)
  func holds(_ rule: DeviceRule<FirmwareBench>) { #expect(rule.fault(on: FirmwareBench()) == nil) }
}
