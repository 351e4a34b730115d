/// Linux's boot_params, the "zero page" (Documentation/arch/x86/zero-page.rst).
struct BootParameters {
  private(set) var bytes = [UInt8](repeating: 0, count: 4096)

  /// For a bzImage: its own setup header. For a vmlinux: one with what the kernel looks at.
  init(setupHeader: [UInt8]?) {
    if let setupHeader {
      bytes.replaceSubrange(0x1f1..<(0x1f1 + setupHeader.count), with: setupHeader)
    } else {
      bytes.put(UInt16(0xaa55), at: BzImage.Field.bootFlag)
      bytes.put(UInt32(0x5372_6448), at: BzImage.Field.magic)
      bytes.put(UInt16(0x020f), at: BzImage.Field.version)
      bytes.put(UInt8(1), at: BzImage.Field.loadFlags)
      bytes.put(UInt32(0x100_0000), at: BzImage.Field.kernelAlignment)
    }
    bytes.put(UInt8(0xff), at: BzImage.Field.typeOfLoader)
  }

  mutating func set(commandLine address: UInt64) {
    bytes.put(UInt32(truncatingIfNeeded: address), at: BzImage.Field.commandLine)
  }

  /// Both below 4 GiB.
  mutating func set(initrd address: UInt64, size: Int) {
    bytes.put(UInt32(truncatingIfNeeded: address), at: BzImage.Field.ramdiskImage)
    bytes.put(UInt32(truncatingIfNeeded: size), at: BzImage.Field.ramdiskSize)
  }

  /// acpi_rsdp_addr. A kernel that does not know it looks for the RSDP itself.
  mutating func set(rootPointer address: UInt64) { bytes.put(address, at: 0x70) }

  /// The e820 map: a count at 0x1e8, entries of 20 bytes from 0x2d0 on.
  mutating func set(memory map: MemoryMap) {
    bytes.put(UInt8(map.entries.count), at: 0x1e8)
    for (index, entry) in map.entries.enumerated() {
      bytes.put(entry.start, at: 0x2d0 + index * 20)
      bytes.put(entry.size, at: 0x2d0 + index * 20 + 8)
      bytes.put(entry.kind.rawValue, at: 0x2d0 + index * 20 + 16)
    }
  }
}
