/// A device in the I/O port space. It sees offsets; the bus owns the addresses.
///
/// Every access of 1, 2 or 4 bytes at any offset has a defined result, also beyond the device's registers: reads give
/// all ones there and writes do nothing.
public protocol PortDevice: Device {
  /// True when the device has registers wider than a byte, and wants accesses whole. The bus hands it those that lie
  /// entirely in one of its ranges and splits all others into bytes.
  var hasWideRegisters: Bool { get }

  /// Reads `size` bytes (1, 2 or 4) at `offset`, zero-extended, at the time `now`.
  func read(offset: UInt16, size: UInt8, now: UInt64) -> UInt32
  /// Writes the low `size` bytes (1, 2 or 4) of `value` at `offset`, at the time `now`.
  func write(offset: UInt16, size: UInt8, value: UInt32, now: UInt64)
}

/// A port device whose registers are bytes: wide accesses are split, low byte first, as the ISA bus does.
public protocol BytePortDevice: PortDevice {
  func readByte(offset: UInt16, now: UInt64) -> UInt8
  func writeByte(offset: UInt16, value: UInt8, now: UInt64)
}

extension BytePortDevice {
  public var hasWideRegisters: Bool { false }

  public func read(offset: UInt16, size: UInt8, now: UInt64) -> UInt32 {
    if size == 1 { return UInt32(readByte(offset: offset, now: now)) }
    var value: UInt32 = 0
    for index in 0..<UInt16(min(size, 4)) {
      value |= UInt32(readByte(offset: offset &+ index, now: now)) << UInt32(8 * index)
    }
    return value
  }

  public func write(offset: UInt16, size: UInt8, value: UInt32, now: UInt64) {
    for index in 0..<UInt16(min(size, 4)) {
      writeByte(offset: offset &+ index, value: UInt8(truncatingIfNeeded: value >> UInt32(8 * index)), now: now)
    }
  }
}

/// A range of ports, and the device offset of the first of them.
public struct PortRange: Equatable, Sendable {
  public var first: UInt16
  public var count: UInt16
  public var firstOffset: UInt16

  public init(_ first: UInt16, count: UInt16, firstOffset: UInt16 = 0) {
    self.first = first
    self.count = count
    self.firstOffset = firstOffset
  }
}
