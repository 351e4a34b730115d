internal import GuestMemory
internal import VMMCore

@testable internal import Loaders

/// Builds the files that the tests load, field by field.
enum Images {
  struct Segment {
    var address: UInt64
    var bytes: [UInt8]
    var memorySize: UInt64?
    var virtual: UInt64?
    var type: UInt32 = 1
  }

  /// An ELF64 executable: header, program headers, then the segments' bytes.
  static func elf64(entry: UInt64, _ segments: [Segment]) -> [UInt8] {
    var file: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0] + [UInt8](repeating: 0, count: 8)
    file.append(little: UInt16(2))
    file.append(little: UInt16(62))
    file.append(little: UInt32(1))
    for word in [entry, 64, 0] as [UInt64] { file.append(little: word) }
    file.append(little: UInt32(0))
    for half in [64, 56, segments.count, 0, 0, 0] { file.append(little: UInt16(half)) }
    var offset = UInt64(64 + 56 * segments.count)
    for segment in segments {
      file.append(little: segment.type)
      file.append(little: UInt32(7))
      let size = UInt64(segment.bytes.count)
      let words = [
        offset, segment.virtual ?? segment.address, segment.address, size, segment.memorySize ?? size, 0x1000,
      ]
      for word in words { file.append(little: word) }
      offset += size
    }
    return file + segments.flatMap(\.bytes)
  }

  /// An ELF32 executable of one segment.
  static func elf32(entry: UInt32, address: UInt32, bytes: [UInt8]) -> [UInt8] {
    var file: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0] + [UInt8](repeating: 0, count: 8)
    file.append(little: UInt16(2))
    file.append(little: UInt16(3))
    for word in [1, entry, 52, 0, 0] as [UInt32] { file.append(little: word) }
    for half in [52, 32, 1, 0, 0, 0] as [UInt16] { file.append(little: half) }
    let size = UInt32(bytes.count)
    for word in [1, 84, address, address, size, size, 7, 4] { file.append(little: word) }
    return file + bytes
  }

  /// A multiboot header; `addresses` are header, load, load end, bss end and entry.
  static func multibootHeader(flags: UInt32 = 0, addresses: [UInt32] = []) -> [UInt8] {
    var bytes: [UInt8] = []
    let allFlags = flags | (addresses.isEmpty ? 0 : 1 << 16)
    bytes.append(little: MultibootHeader.magic)
    bytes.append(little: allFlags)
    bytes.append(little: 0 &- MultibootHeader.magic &- allFlags)
    for address in addresses { bytes.append(little: address) }
    return bytes
  }

  /// A bzImage of one setup sector and `kernel` bytes of code.
  static func bzImage(kernel: Int = 0x1000) -> [UInt8] {
    var file = [UInt8](repeating: 0, count: 1024)
    file[BzImage.Field.setupSectors] = 1
    file.put(UInt32((kernel + 15) / 16), at: 0x1f4)
    file.put(UInt16(0xaa55), at: BzImage.Field.bootFlag)
    file[BzImage.Field.jumpLength] = 0x6a
    file.put(UInt32(0x5372_6448), at: BzImage.Field.magic)
    file.put(UInt16(0x20f), at: BzImage.Field.version)
    file[BzImage.Field.loadFlags] = 1
    file.put(UInt32(0x7fff_ffff), at: BzImage.Field.initrdMaximum)
    file.put(UInt16(1), at: BzImage.Field.xloadFlags)
    file.put(UInt32(255), at: BzImage.Field.commandLineSize)
    file.put(UInt64(0x100_0000), at: BzImage.Field.preferredAddress)
    file.put(UInt32(0x20_0000), at: BzImage.Field.initSize)
    return file + (0..<kernel).map { UInt8(truncatingIfNeeded: $0 &* 7) }
  }

  /// A note segment of one note without a descriptor.
  static func note(owner: String) -> Segment {
    var bytes: [UInt8] = []
    for word in [UInt32(owner.utf8.count + 1), 0, 0x100] { bytes.append(little: word) }
    bytes += owner.utf8 + [0]
    while bytes.count % 4 != 0 { bytes.append(0) }
    return Segment(address: 0, bytes: bytes, type: 4)
  }

  static func kernel(_ bytes: [UInt8]) -> GuestImage { GuestImage(role: .kernel, name: "guest", bytes: bytes) }
  static func initrd(_ bytes: [UInt8]) -> GuestImage { GuestImage(role: .initrd, name: "initrd", bytes: bytes) }
}

let mebibyte: UInt64 = 1 << 20

extension InitialMachine {
  /// The bytes that a guest finds at an address, all placements written in order.
  func memory(_ address: UInt64, _ count: Int) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    for placement in placements {
      let bytes: ArraySlice<UInt8>
      switch placement.source {
      case .bytes(let given): bytes = given[...]
      case .image(let index, let offset, let size): bytes = images[index].bytes[offset..<(offset + size)]
      }
      let start = placement.address.rawValue
      for at in max(
        start, address)..<max(max(start, address), min(start + UInt64(bytes.count), address + UInt64(count)))
      { result[Int(at - address)] = bytes[bytes.startIndex + Int(at - start)] }
    }
    return result
  }

  func word<T: FixedWidthInteger & UnsignedInteger>(_ address: UInt64, as type: T.Type = T.self) -> T {
    memory(address, T.bitWidth / 8).integer(at: 0)!
  }

  /// The NUL-terminated string at an address.
  func string(_ address: UInt64) -> String {
    String(decoding: memory(address, 4096).prefix { $0 != 0 }, as: UTF8.self)
  }
}

/// The message of the error that `body` throws, `nil` when it throws none.
func message(_ body: () throws(LoaderError) -> LoadedGuest) -> String? {
  do {
    _ = try body()
    return nil
  } catch { return error.description }
}
