/// A part of a device's state that can be written to bytes and read back.
public protocol StatePart: Equatable, Sendable {
  /// Codes every field, in a fixed order: the one list serves both directions.
  mutating func code(with coder: inout StateCoder)
}

/// The whole state of a device: a plain value with a byte form.
public protocol DeviceState: StatePart {
  /// Some state, to be filled in by decoding.
  init()
}

extension DeviceState {
  /// The state as bytes: the fields in order, little-endian.
  public func encoded() -> [UInt8] {
    var copy = self
    var coder = StateCoder.writing()
    copy.code(with: &coder)
    return coder.bytes
  }

  /// Reads what `encoded` wrote. `nil` when the bytes are not such a state; whatever they are, nothing traps, neither
  /// here nor in a device that the result is restored to.
  public init?(encoded bytes: [UInt8]) {
    self.init()
    var coder = StateCoder.reading(bytes)
    code(with: &coder)
    guard coder.isComplete else { return nil }
  }
}
