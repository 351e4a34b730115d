// Little-endian fields of files that may hold anything: every read is bounds-checked.

extension [UInt8] {
  /// The little-endian integer at a byte offset; `nil` when it is not all inside.
  func integer<T: FixedWidthInteger & UnsignedInteger>(at offset: Int, as type: T.Type = T.self) -> T? {
    let size = T.bitWidth / 8
    guard offset >= 0, count >= size, offset <= count - size else { return nil }
    var value: T = 0
    for index in (0..<size).reversed() { value = (value << 8) | T(truncatingIfNeeded: self[offset + index]) }
    return value
  }

  /// Overwrites bytes with a little-endian integer. The place must be inside: our own structures only.
  mutating func put<T: FixedWidthInteger & UnsignedInteger>(_ value: T, at offset: Int) {
    for index in 0..<(T.bitWidth / 8) { self[offset + index] = UInt8(truncatingIfNeeded: value >> T(index * 8)) }
  }

  /// Appends a little-endian integer.
  mutating func append<T: FixedWidthInteger & UnsignedInteger>(little value: T) {
    for index in 0..<(T.bitWidth / 8) { append(UInt8(truncatingIfNeeded: value >> T(index * 8))) }
  }

  /// The bytes of `range` hold `needle` somewhere. `range` is clamped to the array.
  func contains(_ needle: [UInt8], in range: Range<Int>) -> Bool {
    guard let first = needle.first else { return true }
    let range = range.clamped(to: 0..<count)
    guard range.count >= needle.count else { return false }
    return unsafe withUnsafeBytes { bytes in
      for start in range.lowerBound...(range.upperBound - needle.count) where unsafe bytes[start] == first {
        var length = 1
        while length < needle.count, unsafe bytes[start + length] == needle[length] { length += 1 }
        if length == needle.count { return true }
      }
      return false
    }
  }
}

/// `value` rounded up to a multiple of `alignment` (a power of two), or `nil` when that does not fit.
func alignUp(_ value: UInt64, to alignment: UInt64) -> UInt64? {
  let (sum, overflow) = value.addingReportingOverflow(alignment - 1)
  return overflow ? nil : sum & ~(alignment - 1)
}
