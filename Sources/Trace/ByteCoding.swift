/// Builds a payload: little-endian integers, variable-length integers, texts.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  var count: Int { bytes.count }

  mutating func reserve(_ count: Int) { bytes.reserveCapacity(count) }
  mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }
  mutating func append(_ byte: UInt8) { bytes.append(byte) }
  mutating func append(contentsOf more: [UInt8]) { bytes.append(contentsOf: more) }
  mutating func append(contentsOf more: ArraySlice<UInt8>) { bytes.append(contentsOf: more) }
  mutating func append16(_ value: UInt16) { append(UInt64(value), size: 2) }
  mutating func append32(_ value: UInt32) { append(UInt64(value), size: 4) }
  mutating func append64(_ value: UInt64) { append(value, size: 8) }

  /// The low `size` bytes of a value, little-endian.
  mutating func append(_ value: UInt64, size: UInt8) {
    var rest = value
    for _ in 0..<size {
      bytes.append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  /// Seven bits a byte, low ones first, bit 7 set in all but the last.
  mutating func append(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  /// A length, then that many bytes.
  mutating func append(counted more: [UInt8]) {
    append(varint: UInt64(more.count))
    append(contentsOf: more)
  }

  mutating func append(text: String) { append(counted: [UInt8](text.utf8)) }
}

/// A payload that does not follow the format: where in it, and how.
struct DecodingError: Error, Equatable {
  var position: Int
  var reason: String
}

/// Reads a payload, never beyond its end.
struct ByteReader {
  let bytes: [UInt8]
  private(set) var position: Int

  init(_ bytes: [UInt8], from position: Int = 0) {
    self.bytes = bytes
    self.position = position
  }

  var isAtEnd: Bool { position >= bytes.count }
  var remaining: Int { bytes.count - position }

  func fail(_ reason: String) -> DecodingError { DecodingError(position: position, reason: reason) }

  mutating func byte() throws(DecodingError) -> UInt8 {
    guard position < bytes.count else { throw fail("ends inside a record") }
    defer { position += 1 }
    return bytes[position]
  }

  mutating func read16() throws(DecodingError) -> UInt16 { UInt16(truncatingIfNeeded: try integer(size: 2)) }
  mutating func read32() throws(DecodingError) -> UInt32 { UInt32(truncatingIfNeeded: try integer(size: 4)) }
  mutating func read64() throws(DecodingError) -> UInt64 { try integer(size: 8) }

  /// A little-endian integer of up to 8 bytes.
  mutating func integer(size: UInt8) throws(DecodingError) -> UInt64 {
    guard remaining >= Int(size) else { throw fail("ends inside a record") }
    var value: UInt64 = 0
    for index in 0..<Int(size) { value |= UInt64(bytes[position + index]) &<< UInt64(8 * index) }
    position += Int(size)
    return value
  }

  mutating func varint() throws(DecodingError) -> UInt64 {
    let first = try byte()
    if first < 0x80 { return UInt64(first) }
    var value = UInt64(first & 0x7f)
    for shift in stride(from: UInt64(7), through: 63, by: 7) {
      let byte = try byte()
      guard shift < 63 || byte <= 1 else { break }
      value |= UInt64(byte & 0x7f) &<< shift
      if byte < 0x80 { return value }
    }
    throw fail("a number that is too long")
  }

  /// A variable-length integer from 0 to `maximum`.
  mutating func varint(upTo maximum: UInt64, _ what: String) throws(DecodingError) -> Int {
    let start = position
    let value = try varint()
    guard value <= maximum, let number = Int(exactly: value) else {
      throw DecodingError(position: start, reason: "\(what) of \(value), more than \(maximum)")
    }
    return number
  }

  /// As many bytes as are asked for, checked before anything is allocated.
  mutating func take(_ count: Int) throws(DecodingError) -> ArraySlice<UInt8> {
    guard count >= 0, count <= remaining else { throw fail("\(count) bytes where \(remaining) are left") }
    defer { position += count }
    return bytes[position..<(position + count)]
  }

  mutating func counted(upTo maximum: Int, _ what: String) throws(DecodingError) -> ArraySlice<UInt8> {
    try take(try varint(upTo: UInt64(maximum), what))
  }

  mutating func text(upTo maximum: Int = TraceFormat.maximumText) throws(DecodingError) -> String {
    try text(try counted(upTo: maximum, "a text"))
  }

  /// All that is left, as a text.
  mutating func restAsText() throws(DecodingError) -> String { try text(try take(remaining)) }

  /// Bytes as the text that they are.
  func text(_ bytes: some Sequence<UInt8>) throws(DecodingError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw fail("a text that is no UTF-8") }
    return text
  }
}
