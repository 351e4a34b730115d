/// A Linux bzImage: its setup header, checked (Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header").
struct BzImage {
  /// The setup header as it is copied to boot_params, from offset 0x1f1 on.
  var setupHeader: Range<Int>
  /// The part of the file that is loaded.
  var kernel: Range<Int>
  /// Where the kernel wants to be, and how many bytes from there it uses before it knows of any memory map.
  var loadAddress: UInt64
  var initSize: UInt64
  /// The highest address that the initrd's last byte may have.
  var initrdMaximum: UInt64
  /// The longest command line, in bytes without the NUL.
  var commandLineLimit: UInt64

  /// Offsets in the file and in boot_params.
  enum Field {
    static let setupSectors = 0x1f1
    static let bootFlag = 0x1fe
    static let jumpLength = 0x201
    static let magic = 0x202
    static let version = 0x206
    static let typeOfLoader = 0x210
    static let loadFlags = 0x211
    static let ramdiskImage = 0x218
    static let ramdiskSize = 0x21c
    static let commandLine = 0x228
    static let initrdMaximum = 0x22c
    static let kernelAlignment = 0x230
    static let xloadFlags = 0x236
    static let commandLineSize = 0x238
    static let preferredAddress = 0x258
    static let initSize = 0x260
  }

  /// The file has a boot sector with the setup header's magic.
  static func recognises(_ bytes: [UInt8]) -> Bool {
    bytes.integer(at: Field.bootFlag, as: UInt16.self) == 0xaa55
      && bytes.integer(at: Field.magic, as: UInt32.self) == 0x5372_6448
  }

  init(_ bytes: [UInt8], name: String) throws(LoaderError) {
    guard let initSize: UInt32 = bytes.integer(at: Field.initSize) else {
      throw LoaderError(name, "truncated in the Linux setup header (\(bytes.count) bytes)")
    }
    let version: UInt16 = bytes.integer(at: Field.version) ?? 0
    let xloadFlags: UInt16 = bytes.integer(at: Field.xloadFlags) ?? 0
    guard version >= 0x20c, xloadFlags & 1 != 0 else {
      throw LoaderError(name, "a Linux kernel without a 64-bit entry point (boot protocol \(hexText(UInt64(version))))")
    }
    guard (bytes.integer(at: Field.loadFlags, as: UInt8.self) ?? 0) & 1 != 0 else {
      throw LoaderError(name, "a zImage, which loads below 1 MiB: a bzImage is needed")
    }
    let sectors = Int(bytes[Field.setupSectors] == 0 ? 4 : bytes[Field.setupSectors])
    let start = (sectors + 1) * 512
    // startup_64 is at 0x200.
    guard bytes.count > start + 0x200 else {
      throw LoaderError(name, "truncated: \(bytes.count) bytes hold the setup code and no kernel")
    }
    kernel = start..<bytes.count
    setupHeader = Field.setupSectors..<min(Field.magic + Int(bytes[Field.jumpLength]), 0x290)
    loadAddress = bytes.integer(at: Field.preferredAddress) ?? 0
    self.initSize = max(UInt64(initSize), UInt64(kernel.count))
    initrdMaximum = UInt64(bytes.integer(at: Field.initrdMaximum, as: UInt32.self) ?? 0)
    commandLineLimit = UInt64(bytes.integer(at: Field.commandLineSize, as: UInt32.self) ?? 0)
    try checkSize(bytes, name: name)
  }

  /// syssize counts the kernel in units of 16 bytes: a shorter file was cut off.
  private func checkSize(_ bytes: [UInt8], name: String) throws(LoaderError) {
    let size = Int(bytes.integer(at: 0x1f4, as: UInt32.self) ?? 0) * 16
    guard kernel.count >= size - 15 else {
      throw LoaderError(name, "truncated: the kernel has \(kernel.count) of \(size) bytes")
    }
  }
}
