/// Reads the fields of a packet from front to back. Every read either takes what the grammar asks for or throws
/// `PacketError.malformed`.
struct PacketReader {
  private let bytes: [UInt8]
  private var index: Int

  init(_ bytes: [UInt8], from index: Int = 0) {
    self.bytes = bytes
    self.index = min(index, bytes.count)
  }

  init(_ text: String) { self.init(Array(text.utf8)) }

  var isAtEnd: Bool { index == bytes.count }
  var count: Int { bytes.count - index }
  var peek: UInt8? { isAtEnd ? nil : bytes[index] }

  mutating func take() -> UInt8? {
    guard !isAtEnd else { return nil }
    defer { index += 1 }
    return bytes[index]
  }

  /// Takes one character if it is the next.
  mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard peek == UInt8(ascii: character) else { return false }
    index += 1
    return true
  }

  mutating func expect(_ character: Unicode.Scalar) throws(PacketError) {
    guard skip(character) else { throw .malformed }
  }

  func expectEnd() throws(PacketError) {
    guard isAtEnd else { throw .malformed }
  }

  /// An unsigned number in hexadecimal, big-endian: one digit at least, no more than 64 bits.
  mutating func number() throws(PacketError) -> UInt64 {
    var value: UInt64 = 0
    var digits = 0
    while let byte = peek, let digit = hexDigit(byte) {
      guard value >> 60 == 0 else { throw .malformed }
      value = value << 4 | UInt64(digit)
      digits += 1
      index += 1
    }
    guard digits > 0 else { throw .malformed }
    return value
  }

  /// A number that counts bytes: at most `limit`.
  mutating func length(limit: Int) throws(PacketError) -> Int {
    let value = try number()
    guard value <= UInt64(limit) else { throw .tooMuch }
    return Int(value)
  }

  /// Everything up to a character, or to the end; the character is not taken.
  mutating func text(until character: Unicode.Scalar) -> String {
    let start = index
    while let byte = peek, byte != UInt8(ascii: character) { index += 1 }
    return String(decoding: bytes[start..<index], as: UTF8.self)
  }

  /// Everything that is left, as it is.
  mutating func rest() -> [UInt8] {
    defer { index = bytes.count }
    return Array(bytes[index...])
  }

  /// Everything that is left, with binary escapes undone.
  mutating func binary() throws(PacketError) -> [UInt8] {
    guard let data = rest().unescaped else { throw .malformed }
    return data
  }

  /// `count` bytes, two digits each.
  mutating func hexBytes(count: Int) throws(PacketError) -> [UInt8] {
    guard count <= self.count / 2 else { throw .malformed }
    var result: [UInt8] = []
    result.reserveCapacity(count)
    for _ in 0..<count {
      guard let high = take().flatMap(hexDigit), let low = take().flatMap(hexDigit) else { throw .malformed }
      result.append(high << 4 | low)
    }
    return result
  }

  /// Everything that is left, two digits a byte.
  mutating func hexBytes() throws(PacketError) -> [UInt8] {
    guard count % 2 == 0 else { throw .malformed }
    return try hexBytes(count: count / 2)
  }
}
