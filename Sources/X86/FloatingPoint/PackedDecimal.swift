/// The x87's packed decimal format: 18 digits, two a byte, and a sign byte (Intel SDM vol. 1, 4.7).
extension Extended {
  /// FBLD; digits above nine count as they are, as the hardware takes them.
  init(packedDecimal low: UInt64, _ high: UInt16) {
    var value: UInt64 = 0
    for digit in [UInt64(high >> 4) & 15, UInt64(high) & 15] { value = value &* 10 &+ digit }
    for index in 0..<UInt64(16) { value = value &* 10 &+ (low &>> (60 &- 4 &* index)) & 15 }
    let magnitude = Extended(Int64(truncatingIfNeeded: value))
    self = high & 0x8000 != 0 ? magnitude.negated : magnitude
  }
}

extension FloatingPointContext {
  /// FBSTP; nil when an unmasked exception keeps memory as it is.
  mutating func storePackedDecimal(_ a: Extended) -> (low: UInt64, high: UInt16)? {
    let x = a.unpacked
    let signByte: UInt16 = x.sign ? 0x8000 : 0
    if x.isZero { return (0, signByte) }
    guard x.kind == .finite, let integer = integralMagnitude(x), integer.magnitude < 1_000_000_000_000_000_000 else {
      raise(.invalid)
      return masked.contains(.invalid) ? (0xc000_0000_0000_0000, 0xffff) : nil
    }
    roundedUp = integer.isUp
    if integer.isInexact { raise(.precision) }
    var rest = integer.magnitude
    var low: UInt64 = 0
    for index in 0..<UInt64(16) {
      low |= (rest % 10) &<< (4 &* index)
      rest /= 10
    }
    let high = UInt16(truncatingIfNeeded: rest % 10 + (rest / 10) << 4)
    return (low, signByte | high)
  }
}
