/// Writes or reads the fields of a state, whichever it was made for.
///
/// A reader never traps: at the first thing that cannot be, it fails for good and leaves the fields as they are.
public struct StateCoder {
  /// What was written, or is being read.
  public private(set) var bytes: [UInt8]
  private let isReading: Bool
  private var position = 0
  private var failed = false

  private init(bytes: [UInt8], isReading: Bool) {
    self.bytes = bytes
    self.isReading = isReading
  }

  public static func writing() -> StateCoder { StateCoder(bytes: [], isReading: false) }
  public static func reading(_ bytes: [UInt8]) -> StateCoder { StateCoder(bytes: bytes, isReading: true) }

  /// Everything that was read made sense, and nothing is left over.
  public var isComplete: Bool { !failed && (!isReading || position == bytes.count) }

  /// An unsigned integer, little-endian.
  public mutating func code<T: FixedWidthInteger & UnsignedInteger>(_ value: inout T) {
    let count = T.bitWidth / 8
    guard isReading else {
      for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> T(8 * index))) }
      return
    }
    guard !failed, bytes.count - position >= count else {
      failed = true
      return
    }
    value = 0
    for index in 0..<count { value |= T(truncatingIfNeeded: bytes[position + index]) << T(8 * index) }
    position += count
  }

  /// A byte, 0 or 1.
  public mutating func code(_ value: inout Bool) {
    var byte: UInt8 = value ? 1 : 0
    code(&byte)
    if byte > 1 { failed = true }
    if !failed { value = byte == 1 }
  }

  /// An enumeration over bytes.
  public mutating func code<T: RawRepresentable>(_ value: inout T) where T.RawValue == UInt8 {
    var byte = value.rawValue
    code(&byte)
    guard let known = T(rawValue: byte) else {
      failed = true
      return
    }
    if !failed { value = known }
  }

  /// Whether there is a value, and the value.
  public mutating func code<T: FixedWidthInteger & UnsignedInteger>(_ value: inout T?) {
    var present = value != nil
    code(&present)
    guard present else {
      if !failed { value = nil }
      return
    }
    var some = value ?? 0
    code(&some)
    if !failed { value = some }
  }

  /// An array of integers of any length up to `limit`: its length in 32 bits, then the elements.
  public mutating func code<T: FixedWidthInteger & UnsignedInteger>(_ values: inout [T], limit: Int) {
    var count = UInt32(truncatingIfNeeded: values.count)
    code(&count)
    guard !failed else { return }
    if isReading {
      guard Int(count) <= limit, Int(count) <= (bytes.count - position) / (T.bitWidth / 8) else {
        failed = true
        return
      }
      values = [T](repeating: 0, count: Int(count))
    }
    for index in values.indices { code(&values[index]) }
  }

  /// An array of integers whose length is fixed by the device.
  public mutating func codeFixed<T: FixedWidthInteger & UnsignedInteger>(_ values: inout [T]) {
    for index in values.indices { code(&values[index]) }
  }

  public mutating func code<T: StatePart>(_ part: inout T) { part.code(with: &self) }

  /// Rules out a state that the device could never be in.
  public mutating func require(_ condition: Bool) {
    if !condition { failed = true }
  }
}
