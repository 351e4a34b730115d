/// Little-endian bytes of a firmware table, appended one after the other.
struct TableWriter {
  private(set) var bytes: [UInt8] = []

  mutating func text(_ text: String) { bytes += Array(text.utf8) }
  mutating func u8(_ value: UInt8) { bytes.append(value) }
  mutating func u16(_ value: UInt16) { for index in UInt16(0)..<2 { u8(UInt8(value >> (8 * index) & 0xff)) } }
  mutating func u32(_ value: UInt32) { for index in UInt32(0)..<4 { u8(UInt8(value >> (8 * index) & 0xff)) } }
  mutating func u64(_ value: UInt64) { for index in UInt64(0)..<8 { u8(UInt8(value >> (8 * index) & 0xff)) } }
  mutating func zeros(_ count: Int) { bytes += [UInt8](repeating: 0, count: count) }
  mutating func append(_ more: [UInt8]) { bytes += more }

  /// Fills up to a multiple of `alignment`.
  mutating func align(_ alignment: Int) { zeros((alignment - bytes.count % alignment) % alignment) }

  mutating func patch32(at offset: Int, _ value: UInt32) {
    for index in 0..<4 { bytes[offset + index] = UInt8(value >> UInt32(8 * index) & 0xff) }
  }

  /// Sets the byte at `offset` such that the bytes of `range` add up to 0 modulo 256.
  mutating func setChecksum(at offset: Int, of range: Range<Int>) {
    bytes[offset] = 0
    bytes[offset] = bytes[range].reduce(0) { $0 &- $1 }
  }
}
