/// An MMIO device whose registers are 4-byte words. Reading has no effect, so reads of other sizes and places are put
/// together from the words they touch; writes must be whole words, others do nothing.
public protocol WordRegisterDevice: MMIODevice {
  /// Reads the word at a multiple of 4.
  func readWord(offset: UInt64, now: UInt64) -> UInt32
  /// Writes the word at a multiple of 4.
  func writeWord(offset: UInt64, value: UInt32, now: UInt64)
}

extension WordRegisterDevice {
  public func read(offset: UInt64, size: UInt8, now: UInt64) -> UInt64 {
    if size == 4, offset & 3 == 0 { return UInt64(readWord(offset: offset, now: now)) }
    var value: UInt64 = 0
    for index in 0..<UInt64(min(size, 8)) {
      let place = offset &+ index
      let byte = readWord(offset: place & ~3, now: now) >> UInt32(8 * (place & 3)) & 0xff
      value |= UInt64(byte) << (8 * index)
    }
    return value
  }

  public func write(offset: UInt64, size: UInt8, value: UInt64, now: UInt64) {
    guard offset & 3 == 0, size == 4 || size == 8 else { return }
    writeWord(offset: offset, value: UInt32(truncatingIfNeeded: value), now: now)
    if size == 8 { writeWord(offset: offset &+ 4, value: UInt32(truncatingIfNeeded: value >> 32), now: now) }
  }
}
