/// Polarity and trigger mode of an interrupt, in the MP table and the MADT alike.
enum MPInterruptFlags {
  /// As the bus has it: for ISA edge-triggered, active high.
  static let ofBus: UInt16 = 0
  static let levelActiveHigh: UInt16 = 0b1101
}

/// The MP table of the machine (Intel MultiProcessor Specification 1.4): for kernels that find their APICs by it.
public enum MPTable {
  /// Where the table usually goes: guests look for the floating pointer from here to 0xfffff.
  public static let standardAddress: UInt32 = 0xf_0000

  private static let isaBus: UInt8 = 0
  private static let floatingPointerSize = 16
  private static let headerSize = 44

  /// Floating pointer and configuration table in one piece, for loading at the physical address `address`, a multiple
  /// of 16.
  /// - Parameters:
  ///   - signature: EAX of CPUID leaf 1.
  ///   - features: EDX of CPUID leaf 1.
  public static func make(at address: UInt32, signature: UInt32, features: UInt32) -> [UInt8] {
    precondition(address % 16 == 0, "the floating pointer lies at a multiple of 16")
    let table = makeTable(entries: makeEntries(signature: signature, features: features))
    return makeFloatingPointer(to: address &+ UInt32(floatingPointerSize)) + table
  }

  /// 4.1.
  private static func makeFloatingPointer(to table: UInt32) -> [UInt8] {
    var writer = TableWriter()
    writer.text("_MP_")
    writer.u32(table)
    writer.append([1, 4, 0])  // 16 bytes, version 1.4
    writer.zeros(5)  // a table is there; virtual wire mode
    writer.setChecksum(at: 10, of: 0..<floatingPointerSize)
    return writer.bytes
  }

  /// 4.2.
  private static func makeTable(entries: [[UInt8]]) -> [UInt8] {
    let length = headerSize + entries.reduce(0) { $0 + $1.count }
    var writer = TableWriter()
    writer.text("PCMP")
    writer.u16(UInt16(length))
    writer.append([4, 0])
    writer.text("CHRONO  ")
    writer.text("VISOR       ")
    writer.zeros(6)
    writer.u16(UInt16(entries.count))
    writer.u32(UInt32(LocalAPIC.standardAddress))
    writer.zeros(4)
    for entry in entries { writer.append(entry) }
    writer.setChecksum(at: 7, of: 0..<length)
    return writer.bytes
  }

  /// 4.3.
  private static func makeEntries(signature: UInt32, features: UInt32) -> [[UInt8]] {
    var processor = TableWriter()
    processor.append([0, 0, 0x14, 3])  // APIC 0, enabled, the boot processor
    processor.u32(signature)
    processor.u32(features)
    processor.zeros(8)
    var bus = TableWriter()
    bus.append([1, isaBus])
    bus.text("ISA   ")
    var ioapic = TableWriter()
    ioapic.append([2, IOAPIC.standardID, 0x11, 1])
    ioapic.u32(UInt32(IOAPIC.standardAddress))
    return [processor.bytes, bus.bytes, ioapic.bytes] + makeInterrupts()
  }

  /// The 8259A at pin 0 and at LINT0, the IRQs but the cascade's, and the NMI at LINT1.
  private static func makeInterrupts() -> [[UInt8]] {
    func entry(_ type: UInt8, _ kind: UInt8, flags: UInt16, irq: UInt8, to: UInt8, pin: UInt8) -> [UInt8] {
      [type, kind, UInt8(flags & 0xff), UInt8(flags >> 8), isaBus, irq, to, pin]
    }
    let (interrupt, nmi, external): (UInt8, UInt8, UInt8) = (0, 1, 3)
    let irqs = (UInt8(0)..<16).filter { $0 != DualPIC.cascadeLine }.map { irq in
      entry(
        3, interrupt, flags: irq == ACPITables.sciIRQ ? MPInterruptFlags.levelActiveHigh : MPInterruptFlags.ofBus,
        irq: irq, to: IOAPIC.standardID, pin: UInt8(InterruptControllers.pin(ofIRQ: irq)))
    }
    return [entry(3, external, flags: 0, irq: 0, to: IOAPIC.standardID, pin: 0)] + irqs + [
      entry(4, external, flags: 0, irq: 0, to: 0, pin: 0), entry(4, nmi, flags: 0, irq: 0, to: 0xff, pin: 1),
    ]
  }
}
