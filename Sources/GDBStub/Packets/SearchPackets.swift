extension Session {
  private static let chunk = 65536

  /// `qSearch:memory:ADDRESS;LENGTH;PATTERN`, with a binary pattern: `1,ADDRESS` or `0`. Ends early when the client
  /// interrupts; an error where memory cannot be read.
  func searchMemory(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    var address = try reader.number()
    try reader.expect(";")
    var left = try reader.number()
    try reader.expect(";")
    let pattern = try reader.binary()
    guard !pattern.isEmpty else { throw .malformed }
    while left >= UInt64(pattern.count) {
      let wanted = Int(min(left, UInt64(Session.chunk + pattern.count - 1)))
      let bytes = Array(memory(at: address, count: wanted).prefix(wanted))
      if let offset = bytes.firstOffset(of: pattern) {
        return .text("1,\(String(address &+ UInt64(offset), radix: 16))")
      }
      guard bytes.count == wanted else { throw .noMemory }
      // The pattern may begin in this chunk's last bytes.
      let step = UInt64(wanted - pattern.count + 1)
      address &+= step
      left -= step
      if pollForInterrupt() { throw .refused("interrupted") }
    }
    return .text("0")
  }

  /// `qCRC:ADDRESS,LENGTH`: for `compare-sections`.
  func checksumMemory(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    var address = try reader.number()
    try reader.expect(",")
    var left = try reader.number()
    try reader.expectEnd()
    var checksum = CRC32()
    while left > 0 {
      let wanted = Int(min(left, UInt64(Session.chunk)))
      let bytes = memory(at: address, count: wanted).prefix(wanted)
      guard bytes.count == wanted else { throw .noMemory }
      for byte in bytes { checksum.fold(byte) }
      address &+= UInt64(wanted)
      left -= UInt64(wanted)
      if pollForInterrupt() { throw .refused("interrupted") }
    }
    return .text("C" + String(checksum.value, radix: 16))
  }
}

extension [UInt8] {
  /// Where a pattern (not empty) first occurs.
  fileprivate func firstOffset(of pattern: [UInt8]) -> Int? {
    guard count >= pattern.count else { return nil }
    for start in 0...(count - pattern.count) where self[start] == pattern[0] {
      if (1..<Swift.max(1, pattern.count)).allSatisfy({ self[start + $0] == pattern[$0] }) { return start }
    }
    return nil
  }
}

/// The checksum of `qCRC` (gdb manual, "Separate Debug Files" gives a relative of it): polynomial 0x04c11db7, most
/// significant bit first, initial value all ones, not inverted at the end.
struct CRC32 {
  private(set) var value: UInt32 = 0xffff_ffff
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte) << 24) { word, _ in word >> 31 == 1 ? word << 1 ^ 0x04c1_1db7 : word << 1 }
  }

  mutating func fold(_ byte: UInt8) {
    value = value << 8 ^ CRC32.table[Int(value >> 24 ^ UInt32(byte))]
  }
}
