/// The ACPI tables of the machine (ACPI specification 6.4, chapter 5): what kernels need that will not run without.
///
/// They name the ports of `PowerManagement` and `PCIConfigPorts`, the APICs, and the sleep state S5. There is no device
/// in them.
public enum ACPITables {
  /// Where the tables usually go: guests look for the RSDP from here to 0xfffff.
  public static let standardAddress: UInt32 = 0xe_0000

  /// The SCI, level-triggered and active high.
  public static let sciIRQ: UInt8 = 9

  /// All tables in one piece, for loading at the physical address `address`, a multiple of 64. The RSDP comes first.
  /// - Parameter timerBits: those of the PM timer, 24 or 32.
  public static func make(at address: UInt32, timerBits: Int = 24) -> [UInt8] {
    precondition(address % 64 == 0, "the FACS lies at a multiple of 64")
    var writer = TableWriter()
    writer.zeros(64)  // the RSDP, when the others have their places
    func place(_ table: [UInt8]) -> UInt32 {
      writer.align(64)
      defer { writer.append(table) }
      return address &+ UInt32(writer.bytes.count)
    }
    let facs = place(makeFACS())
    let dsdt = place(makeDSDT())
    let fadt = place(makeFADT(facs: facs, dsdt: dsdt, timerBits: timerBits))
    let madt = place(makeMADT())
    let rsdt = place(makeTable("RSDT", revision: 1) { writer in for table in [fadt, madt] { writer.u32(table) } })
    let xsdt = place(
      makeTable("XSDT", revision: 1) { writer in for table in [fadt, madt] { writer.u64(UInt64(table)) } })
    return makeRSDP(rsdt: rsdt, xsdt: xsdt) + writer.bytes.dropFirst(36)
  }

  private static let oem = "CHRONO"

  /// 5.2.5.3.
  private static func makeRSDP(rsdt: UInt32, xsdt: UInt32) -> [UInt8] {
    var writer = TableWriter()
    writer.text("RSD PTR ")
    writer.u8(0)
    writer.text(oem)
    writer.u8(2)  // ACPI 2.0 and later
    writer.u32(rsdt)
    writer.u32(36)
    writer.u64(UInt64(xsdt))
    writer.zeros(4)
    writer.setChecksum(at: 8, of: 0..<20)
    writer.setChecksum(at: 32, of: 0..<36)
    return writer.bytes
  }

  /// A table with the header of 5.2.6.
  static func makeTable(
    _ signature: String, revision: UInt8, _ body: (inout TableWriter) -> Void
  ) -> [UInt8] {
    var writer = TableWriter()
    writer.text(signature)
    writer.u32(0)
    writer.u8(revision)
    writer.u8(0)
    writer.text(oem)
    writer.text("VISOR   ")
    writer.u32(1)
    writer.text("CHRV")
    writer.u32(1)
    body(&writer)
    writer.patch32(at: 4, UInt32(writer.bytes.count))
    writer.setChecksum(at: 9, of: 0..<writer.bytes.count)
    return writer.bytes
  }

  /// 5.2.10.
  private static func makeFACS() -> [UInt8] {
    var writer = TableWriter()
    writer.text("FACS")
    writer.u32(64)
    writer.zeros(24)
    writer.u8(1)
    writer.zeros(31)
    return writer.bytes
  }

  /// `Name (\_S5, Package () { type, type, 0, 0 })` and nothing else (AML, chapter 20).
  private static func makeDSDT() -> [UInt8] {
    makeTable("DSDT", revision: 2) { writer in
      let type = UInt8(truncatingIfNeeded: PowerManagement.softOffSleepType)
      writer.u8(0x08)  // NameOp
      writer.text("\\_S5_")
      writer.append([0x12, 0x0a, 0x04])  // PackageOp, its length, four elements
      for value in [type, type, 0, 0] { writer.append([0x0a, value]) }  // BytePrefix
    }
  }

  /// 5.2.12: local APIC, I/O APIC, the timer's and the SCI's IRQs, and the NMI pin.
  private static func makeMADT() -> [UInt8] {
    makeTable("APIC", revision: 3) { writer in
      writer.u32(UInt32(LocalAPIC.standardAddress))
      writer.u32(1)  // PCAT_COMPAT: there are 8259As, too
      writer.append([0, 8, 0, 0])
      writer.u32(1)  // processor 0 with APIC ID 0, enabled
      writer.append([1, 12, IOAPIC.standardID, 0])
      writer.u32(UInt32(IOAPIC.standardAddress))
      writer.u32(0)  // its first global interrupt
      appendOverride(to: &writer, irq: 0, flags: 0)
      appendOverride(to: &writer, irq: sciIRQ, flags: MPInterruptFlags.levelActiveHigh)
      writer.append([4, 6, 0xff])  // NMI at LINT1 of all processors
      writer.u16(0)
      writer.u8(1)
    }
  }

  private static func appendOverride(to writer: inout TableWriter, irq: UInt8, flags: UInt16) {
    writer.append([2, 10, 0, irq])
    writer.u32(UInt32(InterruptControllers.pin(ofIRQ: irq)))
    writer.u16(flags)
  }
}
