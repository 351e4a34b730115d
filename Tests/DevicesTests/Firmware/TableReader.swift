/// Reads a guest's memory as its firmware code would.
struct TableReader {
  var base: UInt32
  var bytes: [UInt8]

  func value(_ address: UInt32, _ count: Int) -> UInt64 {
    (0..<count).reduce(0) { $0 | UInt64(bytes[Int(address - base) + $1]) << UInt64(8 * $1) }
  }
  func u8(_ address: UInt32) -> UInt8 { UInt8(value(address, 1)) }
  func u16(_ address: UInt32) -> UInt16 { UInt16(value(address, 2)) }
  func u32(_ address: UInt32) -> UInt32 { UInt32(value(address, 4)) }
  func text(_ address: UInt32, _ count: Int) -> String {
    String(decoding: bytes[Int(address - base)..<(Int(address - base) + count)], as: UTF8.self)
  }
  func sum(_ address: UInt32, _ count: Int) -> UInt8 {
    bytes[Int(address - base)..<(Int(address - base) + count)].reduce(0, &+)
  }
}
