/// The fixed ACPI description table (ACPI specification 6.4, 5.2.9) in the form of ACPI 2.0, 244 bytes.
extension ACPITables {
  private enum Flag {
    static let wbinvd: UInt32 = 1 << 0
    static let c1: UInt32 = 1 << 2
    static let noSleepButton: UInt32 = 1 << 5
    static let noFixedRTC: UInt32 = 1 << 6
    static let timer32: UInt32 = 1 << 8
    static let resetRegister: UInt32 = 1 << 10
  }

  private enum BootFlag {
    static let legacyDevices: UInt16 = 1 << 0
    static let keyboardController: UInt16 = 1 << 1
    static let noVGA: UInt16 = 1 << 2
  }

  /// Port 0xcf9, and what to write there.
  private static let resetPort: UInt64 = 0xcf9
  private static let resetValue: UInt8 = 0x06

  /// The register blocks of `PowerManagement`.
  private static let event = UInt32(PowerManagement.standardPorts[0].first)
  private static let control = event + 4
  private static let timer = event + 8

  static func makeFADT(facs: UInt32, dsdt: UInt32, timerBits: Int) -> [UInt8] {
    makeTable("FACP", revision: 3) { writer in
      writer.u32(facs)
      writer.u32(dsdt)
      writer.append([0, 0])
      writer.u16(UInt16(sciIRQ))
      writer.zeros(8)  // no SMI command port: the machine is in ACPI mode
      for block in [event, 0, control, 0, 0, timer, 0, 0] { writer.u32(block) }
      writer.append([4, 2, 0, 4, 0, 0, 0, 0])  // their lengths
      writer.u16(0xfff)  // no C2
      writer.u16(0xfff)  // no C3
      writer.zeros(8)
      writer.u8(UInt8(RTCRegister.century))
      writer.u16(BootFlag.legacyDevices | BootFlag.keyboardController | BootFlag.noVGA)
      writer.u8(0)
      writer.u32(
        Flag.wbinvd | Flag.c1 | Flag.noSleepButton | Flag.noFixedRTC | Flag.resetRegister
          | (timerBits == 32 ? Flag.timer32 : 0))
      appendAddress(to: &writer, resetPort, bytes: 1)
      writer.u8(resetValue)
      writer.zeros(3)
      writer.u64(UInt64(facs))
      writer.u64(UInt64(dsdt))
      for (block, bytes) in [(event, 4), (0, 0), (control, 2), (0, 0), (0, 0), (timer, 4), (0, 0), (0, 0)] {
        appendAddress(to: &writer, UInt64(block), bytes: UInt8(bytes))
      }
    }
  }

  /// A generic address (5.2.3.2) in I/O space; no bytes for a block that is not there.
  private static func appendAddress(to writer: inout TableWriter, _ port: UInt64, bytes: UInt8) {
    if bytes == 0 { return writer.zeros(12) }
    // Access sizes count from 1, byte; the event block is read by words.
    let access: UInt8 = port == UInt64(event) ? 2 : bytes == 4 ? 3 : bytes
    writer.append([1, bytes * 8, 0, access])
    writer.u64(port)
  }
}
