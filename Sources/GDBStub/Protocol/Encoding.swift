/// The value of a hexadecimal digit in either case.
@inline(__always) func hexDigit(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &- UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): byte &- UInt8(ascii: "a") &+ 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): byte &- UInt8(ascii: "A") &+ 10
  default: nil
  }
}

@inline(__always) private func hexCharacter(_ nibble: UInt8) -> UInt8 {
  nibble < 10 ? UInt8(ascii: "0") &+ nibble : UInt8(ascii: "a") &+ (nibble &- 10)
}

extension [UInt8] {
  mutating func append(text: String) { append(contentsOf: text.utf8) }

  mutating func append(hexByte byte: UInt8) {
    append(hexCharacter(byte >> 4))
    append(hexCharacter(byte & 15))
  }

  mutating func append(hexOf bytes: some Collection<UInt8>) {
    reserveCapacity(count + 2 * bytes.count)
    for byte in bytes { append(hexByte: byte) }
  }

  /// The `count` low bytes of a value, least significant first.
  mutating func append(littleEndian value: UInt64, count: Int) {
    for index in 0..<count { append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
  }

  /// Bytes as lower-case hexadecimal text.
  var hexText: [UInt8] {
    var text: [UInt8] = []
    text.append(hexOf: self)
    return text
  }

  /// Puts `}` before bytes that the frame gives a meaning to (gdb manual, E.1, "Binary Data").
  var escaped: [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(count)
    for byte in self {
      switch byte {
      case UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "}"), UInt8(ascii: "*"):
        result.append(UInt8(ascii: "}"))
        result.append(byte ^ 0x20)
      default: result.append(byte)
      }
    }
    return result
  }

  /// Undoes `escaped`; `nil` when the last byte is an escape.
  var unescaped: [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(count)
    var index = startIndex
    while index < endIndex {
      guard self[index] == UInt8(ascii: "}") else {
        result.append(self[index])
        index += 1
        continue
      }
      guard index + 1 < endIndex else { return nil }
      result.append(self[index + 1] ^ 0x20)
      index += 2
    }
    return result
  }

  /// A framed packet: `$`, the payload, `#` and its checksum.
  var framed: [UInt8] {
    var frame: [UInt8] = [UInt8(ascii: "$")]
    frame.reserveCapacity(count + 4)
    frame.append(contentsOf: self)
    frame.append(UInt8(ascii: "#"))
    frame.append(hexByte: packetChecksum(self))
    return frame
  }
}
