/// Where the loaders put what a guest finds in memory beside its own image, and the constants of its first CPU state.
///
///     0x00500  GDT of 5 descriptors
///     0x06000  multiboot information and memory map (multiboot guests)
///     0x07000  boot_params, the "zero page" (Linux)
///     0x09000  page tables: PML4, PDPT, one page directory that maps the first GiB by 2 MiB pages (64-bit guests)
///     0x20000  command line, NUL-terminated, at most 64 KiB - 1
///     0x90000  top of the first stack, which grows down (ELF64 guests)
///     0x9fc00  reserved up to 1 MiB: EBDA, video memory, ROMs; the firmware's tables (ACPI, MP)
///     1 MiB    the guest's image, where its headers say; an initrd or module above it
public enum BootLayout {
  public static let gdt: UInt64 = 0x500
  public static let multibootInformation: UInt64 = 0x6000
  public static let bootParameters: UInt64 = 0x7000
  public static let pml4: UInt64 = 0x9000
  public static let pageDirectoryPointers: UInt64 = 0xa000
  public static let pageDirectory: UInt64 = 0xb000
  public static let commandLine: UInt64 = 0x20000
  /// Bytes for the command line with its NUL.
  public static let commandLineCapacity: UInt64 = 0x10000
  public static let stackTop: UInt64 = 0x90000
  /// The end of RAM below the EBDA.
  public static let lowMemoryEnd: UInt64 = 0x9fc00
  public static let oneMiB: UInt64 = 0x10_0000

  /// Guest images may use these parts below 1 MiB; the rest belongs to the structures above.
  static let freeLowMemory: Range<UInt64> = 0x3_0000..<0x8_0000

  /// Bytes that the page tables map, physical = virtual.
  public static let identityMapped: UInt64 = 1 << 30

  /// Selectors in the GDT, those of Linux's boot protocol: __BOOT_CS and __BOOT_DS, and 32-bit code.
  public static let codeSelector: UInt16 = 0x10
  public static let dataSelector: UInt16 = 0x18
  public static let code32Selector: UInt16 = 0x20
}

/// Bits of the control registers that the loaders set (Intel SDM vol. 3, 2.5).
enum ControlBits {
  static let cr0PE: UInt64 = 1 << 0
  static let cr0MP: UInt64 = 1 << 1
  static let cr0ET: UInt64 = 1 << 4
  static let cr0NE: UInt64 = 1 << 5
  static let cr0PG: UInt64 = 1 << 31
  static let cr4PAE: UInt64 = 1 << 5
  static let eferLME: UInt64 = 1 << 8
  static let eferLMA: UInt64 = 1 << 10
}
