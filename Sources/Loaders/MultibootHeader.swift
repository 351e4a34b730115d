/// The header of a multiboot 1 image (Multiboot Specification 0.6.96, 3.1): 4-byte aligned in the first 8192 bytes.
struct MultibootHeader {
  /// Where the header is in the file.
  var offset: Int
  var flags: UInt32
  /// The address fields, when flag 16 says that they count instead of the ELF headers.
  var addresses: Addresses?

  struct Addresses: Equatable {
    var header: UInt32
    var load: UInt32
    var loadEnd: UInt32
    var bssEnd: UInt32
    var entry: UInt32
  }

  static let magic: UInt32 = 0x1bad_b002
  private static let searched = 8192
  /// Modules on page boundaries (always so here), memory information (always given), a video mode (only wished for).
  private static let knownRequirements: UInt32 = 0b111
  private static let addressesValid: UInt32 = 1 << 16

  /// `nil` when the file has no header.
  init?(_ bytes: [UInt8], name: String) throws(LoaderError) {
    var found: Int?
    let end = min(bytes.count, MultibootHeader.searched)
    for offset in stride(from: 0, through: end - 12, by: 4) where found == nil {
      if bytes[offset] == 0x02, MultibootHeader.isHeader(bytes, at: offset) { found = offset }
    }
    guard let found else { return nil }
    offset = found
    flags = bytes.integer(at: found + 4) ?? 0
    let unknown = flags & 0xffff & ~MultibootHeader.knownRequirements
    guard unknown == 0 else {
      throw LoaderError(
        name, "the multiboot header requires features that are unknown (flags \(hexText(UInt64(unknown))))")
    }
    if flags & MultibootHeader.addressesValid != 0 { addresses = try MultibootHeader.addresses(bytes, found, name) }
  }

  private static func isHeader(_ bytes: [UInt8], at offset: Int) -> Bool {
    guard let word: UInt32 = bytes.integer(at: offset), word == magic,
      let flags: UInt32 = bytes.integer(at: offset + 4), let checksum: UInt32 = bytes.integer(at: offset + 8)
    else { return false }
    return magic &+ flags &+ checksum == 0
  }

  private static func addresses(_ bytes: [UInt8], _ offset: Int, _ name: String) throws(LoaderError) -> Addresses {
    guard let header: UInt32 = bytes.integer(at: offset + 12), let load: UInt32 = bytes.integer(at: offset + 16),
      let loadEnd: UInt32 = bytes.integer(at: offset + 20), let bssEnd: UInt32 = bytes.integer(at: offset + 24),
      let entry: UInt32 = bytes.integer(at: offset + 28)
    else { throw LoaderError(name, "truncated in the multiboot header") }
    return Addresses(header: header, load: load, loadEnd: loadEnd, bssEnd: bssEnd, entry: entry)
  }
}
