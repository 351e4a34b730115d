public import VMMCore

/// What the loader took a guest for.
public enum GuestKind: String, Sendable, CaseIterable {
  case bzImage = "Linux bzImage"
  case vmlinux = "Linux vmlinux"
  case elf64 = "ELF64"
  case multiboot = "multiboot 1"
}

/// A guest as its loader made it.
public struct LoadedGuest: Equatable, Sendable {
  public var machine: InitialMachine
  public var kind: GuestKind
}

/// What the firmware of a PC leaves in the memory that it reserves, between 0x9fc00 and 1 MiB.
public struct FirmwareTables: Equatable, Sendable {
  public var placements: [Placement]
  /// Where the ACPI tables begin: the RSDP.
  public var rootPointer: GuestPhysicalAddress

  public init(placements: [Placement], rootPointer: GuestPhysicalAddress) {
    self.placements = placements
    self.rootPointer = rootPointer
  }
}

/// Makes a guest ready to run from its files, which it recognises by their content, in this order:
///
/// 1. bzImage: the setup header's magic `HdrS`, and a 64-bit entry point.
/// 2. ELF (32- or 64-bit) or any other file with a multiboot 1 header in its first 8 KiB.
/// 3. vmlinux: an ELF64 executable with a note of the owner `Linux`, or the text `Linux version ` in a segment.
/// 4. ELF64: any other, with a long-mode entry point.
///
/// `BootLayout` says what lies where in memory. Files may hold anything: what is wrong with one is an error, and the
/// work done for it is bounded by its size.
public enum GuestLoader {
  /// - Parameters:
  ///   - kernel: the guest's image, which becomes image 0 of the machine.
  ///   - initrd: Linux's initramfs, a multiboot module, or data for an ELF64 guest: image 1.
  ///   - commandLine: given to the guest as it is (multiboot puts the file's name in front).
  ///   - memorySize: bytes of RAM, a multiple of the page size.
  ///   - extraImages: further images that travel with the machine, such as symbols.
  ///   - firmware: tables for guests that look for them: Linux and multiboot images.
  ///   - extraPlacements: written last.
  public static func load(
    kernel: GuestImage, initrd: GuestImage? = nil, commandLine: String = "", memorySize: UInt64,
    firmware: FirmwareTables? = nil, extraImages: [GuestImage] = [], extraPlacements: [Placement] = []
  ) throws(LoaderError) -> LoadedGuest {
    guard memorySize >= BootLayout.oneMiB, memorySize % UInt64(pageSize) == 0 else {
      throw LoaderError(kernel.name, "memory of \(memorySize) bytes: give a multiple of 4 KiB from 1 MiB up")
    }
    let request = Request(
      kernel: kernel, initrd: initrd, commandLine: commandLine, memorySize: memorySize, firmware: firmware)
    let parts = try load(request)
    let tables = parts.kind == .elf64 ? [] : firmware?.placements ?? []
    let machine = InitialMachine(
      memorySize: memorySize, images: [kernel] + (initrd.map { [$0] } ?? []) + extraImages,
      placements: parts.placements + tables + extraPlacements, state: parts.state)
    return LoadedGuest(machine: machine, kind: parts.kind)
  }

  /// What one loader is given.
  struct Request {
    var kernel: GuestImage
    var initrd: GuestImage?
    var commandLine: String
    var memorySize: UInt64
    var firmware: FirmwareTables?
  }

  /// What one loader returns.
  struct Parts {
    var placements: [Placement]
    var state: CPUState
    var kind: GuestKind
  }

  /// What a guest's image is taken for. Errors as `load`'s.
  public static func kind(of kernel: GuestImage) throws(LoaderError) -> GuestKind {
    switch try recognise(kernel) {
    case .bzImage: .bzImage
    case .multiboot: .multiboot
    case .vmlinux: .vmlinux
    case .elf64: .elf64
    }
  }

  private static func load(_ request: Request) throws(LoaderError) -> Parts {
    switch try recognise(request.kernel) {
    case .bzImage(let image): try LinuxLoader.load(bzImage: image, request)
    case .multiboot(let header): try MultibootLoader.load(header, request)
    case .vmlinux(let elf): try LinuxLoader.load(vmlinux: elf, request)
    case .elf64(let elf): try ELF64Loader.load(elf, request)
    }
  }

  private enum Recognised {
    case bzImage(BzImage)
    case multiboot(MultibootHeader)
    case vmlinux(ELFFile)
    case elf64(ELFFile)
  }

  private static func recognise(_ kernel: GuestImage) throws(LoaderError) -> Recognised {
    let (bytes, name) = (kernel.bytes, kernel.name)
    guard !bytes.isEmpty else { throw LoaderError(name, "the file is empty") }
    if BzImage.recognises(bytes) { return .bzImage(try BzImage(bytes, name: name)) }
    if let header = try MultibootHeader(bytes, name: name) { return .multiboot(header) }
    guard ELFFile.recognises(bytes) else { throw LoaderError(name, unrecognised(bytes)) }
    let elf = try ELFFile(bytes, name: name)
    guard elf.fileClass == .elf64 else {
      throw LoaderError(name, "a 32-bit ELF file without a multiboot header: 32-bit guests need one")
    }
    return elf.isLinux(bytes) ? .vmlinux(elf) : .elf64(elf)
  }

  /// Why a file is not a guest, as far as its first bytes tell.
  private static func unrecognised(_ bytes: [UInt8]) -> String {
    let packed: [([UInt8], String)] = [
      ([0x1f, 0x8b], "gzip"), ([0xfd, 0x37, 0x7a, 0x58, 0x5a], "xz"), ([0x28, 0xb5, 0x2f, 0xfd], "zstd"),
      ([0x04, 0x22, 0x4d, 0x18], "LZ4"), ([0x42, 0x5a, 0x68], "bzip2"),
    ]
    let accepted = "a Linux bzImage or vmlinux, an ELF64 executable or a multiboot 1 image"
    for (magic, format) in packed where bytes.starts(with: magic) {
      return "compressed with \(format): unpack it first, a guest is \(accepted)"
    }
    return "not a guest: it is not \(accepted)"
  }
}

extension ELFFile {
  /// The file is a Linux kernel: it has a note of the owner `Linux`, or holds the kernel's banner.
  func isLinux(_ bytes: [UInt8]) -> Bool {
    let owner: [UInt8] = Array("Linux".utf8) + [0]
    for range in notes where hasNote(owner: owner, bytes, range) { return true }
    let banner = Array("Linux version ".utf8)
    return segments.contains { bytes.contains(banner, in: $0.file) }
  }

  /// Walks a note segment: name size, descriptor size and type of 4 bytes each, then both padded to 4 bytes.
  private func hasNote(owner: [UInt8], _ bytes: [UInt8], _ range: Range<Int>) -> Bool {
    var offset = range.lowerBound
    while offset < range.upperBound {
      guard let nameSize: UInt32 = bytes.integer(at: offset), let dataSize: UInt32 = bytes.integer(at: offset + 4)
      else { return false }
      let start = offset + 12
      let padded = (Int(nameSize) + 3) & ~3
      guard start + padded <= range.upperBound else { return false }
      if Int(nameSize) == owner.count, bytes[start..<(start + owner.count)].elementsEqual(owner) { return true }
      offset = start + padded + ((Int(dataSize) + 3) & ~3)
    }
    return false
  }
}
