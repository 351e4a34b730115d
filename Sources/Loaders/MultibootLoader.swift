internal import VMMCore

/// A multiboot 1 image (Multiboot Specification 0.6.96): 32-bit protected mode without paging, flat segments,
/// interrupts off, EAX = 0x2badb002, EBX = the address of the information structure.
///
/// The information holds the memory sizes, the memory map, the command line (the file's name, a space, the caller's
/// text), the loader's name, and the initrd as the one module, on the first page after the image, named as its file.
struct MultibootLoader {
  private static let loaderMagic: UInt64 = 0x2bad_b002
  private static let loaderName = "chronovisor"

  static func load(_ header: MultibootHeader, _ request: GuestLoader.Request) throws(LoaderError) -> GuestLoader.Parts {
    var assembly = Assembly(name: request.kernel.name, memorySize: request.memorySize)
    let image: (entry: UInt32, end: UInt64)
    if let addresses = header.addresses {
      image = try place(addresses, header, request.kernel, &assembly)
    } else {
      image = try placeELF(request.kernel, &assembly)
    }
    try placeInformation(after: image.end, request, &assembly)
    var state = FirstState.protectedMode(entry: image.entry)
    state.rax = loaderMagic
    state.rbx = BootLayout.multibootInformation
    return GuestLoader.Parts(placements: assembly.placements, state: state, kind: .multiboot)
  }

  /// The form with addresses in the header (the specification calls it the a.out kludge).
  private static func place(
    _ addresses: MultibootHeader.Addresses, _ header: MultibootHeader, _ kernel: GuestImage,
    _ assembly: inout Assembly
  ) throws(LoaderError) -> (entry: UInt32, end: UInt64) {
    let name = kernel.name
    guard addresses.header >= addresses.load, Int(addresses.header - addresses.load) <= header.offset else {
      throw LoaderError(name, "the multiboot header's load address lies before the beginning of the file")
    }
    let start = header.offset - Int(addresses.header - addresses.load)
    // 0 means: all of the file.
    var end = kernel.bytes.count
    if addresses.loadEnd != 0 {
      guard addresses.loadEnd >= addresses.load else {
        throw LoaderError(name, "the multiboot header's load range ends before it begins")
      }
      end = start + Int(addresses.loadEnd - addresses.load)
    }
    guard end <= kernel.bytes.count else {
      throw LoaderError(name, "truncated: the multiboot load range lies beyond the end of the file")
    }
    let loaded = UInt64(addresses.load) + UInt64(end - start)
    let memoryEnd = max(loaded, UInt64(addresses.bssEnd))
    try assembly.checkImage(UInt64(addresses.load), size: memoryEnd - UInt64(addresses.load))
    guard addresses.entry >= addresses.load, UInt64(addresses.entry) < memoryEnd else {
      throw LoaderError(name, "the entry point \(hex(addresses.entry)) is outside the multiboot image")
    }
    assembly.place(kernel: start..<end, at: UInt64(addresses.load))
    return (addresses.entry, memoryEnd)
  }

  /// The form whose segments and entry point are those of ELF headers, of either class.
  private static func placeELF(
    _ kernel: GuestImage, _ assembly: inout Assembly
  ) throws(LoaderError) -> (entry: UInt32, end: UInt64) {
    guard ELFFile.recognises(kernel.bytes) else {
      throw LoaderError(kernel.name, "the multiboot header gives no addresses, and the file is not an ELF file")
    }
    let elf = try ELFFile(kernel.bytes, name: kernel.name)
    try assembly.place(segments: elf)
    // GRUB and QEMU take the entry point as physical; one in a segment's virtual range is taken to the physical one.
    var entry: UInt64?
    for segment in elf.segments where elf.entry >= segment.physical && elf.entry < segment.physicalEnd {
      entry = elf.entry
    }
    for segment in elf.segments where entry == nil && elf.entry >= segment.virtual {
      if elf.entry - segment.virtual < segment.memorySize { entry = segment.physical + (elf.entry - segment.virtual) }
    }
    guard let entry, entry <= UInt64(UInt32.max) else {
      throw LoaderError(kernel.name, "the entry point \(hex(elf.entry)) is outside all ELF segments")
    }
    return (UInt32(entry), elf.physicalEnd)
  }

  /// The information structure (3.3), and behind it the memory map, the module list and the strings.
  private static func placeInformation(
    after imageEnd: UInt64, _ request: GuestLoader.Request, _ assembly: inout Assembly
  ) throws(LoaderError) {
    let line = request.kernel.name + (request.commandLine.isEmpty ? "" : " " + request.commandLine)
    var information = MultibootInformation(address: BootLayout.multibootInformation)
    information.set(memory: assembly.map)
    information.set(commandLine: try assembly.place(commandLine: line))
    information.set(loaderName: loaderName)
    if let initrd = request.initrd {
      guard initrd.name.utf8.count <= 1024 else { throw LoaderError(initrd.name, "the file's name is too long") }
      let address = try ELF64Loader.moduleAddress(after: imageEnd, initrd, assembly)
      assembly.place(initrd: initrd, at: address)
      information.set(module: address, size: initrd.bytes.count, name: initrd.name)
    }
    assembly.place(information.bytes, at: BootLayout.multibootInformation)
  }
}

/// The multiboot information structure; what it points to is appended to its 116 bytes.
private struct MultibootInformation {
  private(set) var bytes = [UInt8](repeating: 0, count: 116)
  private let address: UInt64

  init(address: UInt64) { self.address = address }

  private var end: UInt32 { UInt32(truncatingIfNeeded: address) + UInt32(bytes.count) }

  private mutating func add(flag: UInt32) { bytes.put((bytes.integer(at: 0) ?? 0) | flag, at: 0) }

  private mutating func append(string: String) -> UInt32 {
    let place = end
    bytes += string.utf8.filter { $0 != 0 } + [0]
    return place
  }

  /// mem_lower and mem_upper in KiB, and the map: entries of 20 bytes, each after its size.
  mutating func set(memory map: MemoryMap) {
    add(flag: 1 << 0 | 1 << 6)
    bytes.put(UInt32(BootLayout.lowMemoryEnd >> 10), at: 4)
    bytes.put(UInt32(truncatingIfNeeded: (map.lowEnd - BootLayout.oneMiB) >> 10), at: 8)
    bytes.put(UInt32(map.entries.count * 24), at: 44)
    bytes.put(end, at: 48)
    for entry in map.entries {
      bytes.append(little: UInt32(20))
      bytes.append(little: entry.start)
      bytes.append(little: entry.size)
      bytes.append(little: entry.kind.rawValue)
    }
  }

  mutating func set(commandLine place: UInt64) {
    add(flag: 1 << 2)
    bytes.put(UInt32(truncatingIfNeeded: place), at: 16)
  }

  mutating func set(loaderName: String) {
    add(flag: 1 << 9)
    bytes.put(append(string: loaderName), at: 64)
  }

  /// One module: its first byte, the one after its last, its string, a reserved word.
  mutating func set(module start: UInt64, size: Int, name: String) {
    add(flag: 1 << 3)
    let string = append(string: name)
    while bytes.count % 4 != 0 { bytes.append(0) }
    bytes.put(UInt32(1), at: 20)
    bytes.put(end, at: 24)
    bytes.append(little: UInt32(truncatingIfNeeded: start))
    bytes.append(little: UInt32(truncatingIfNeeded: start + UInt64(size)))
    bytes.append(little: string)
    bytes.append(little: UInt32(0))
  }
}
