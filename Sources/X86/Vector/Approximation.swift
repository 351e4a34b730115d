/// RCPPS and RSQRTPS. Processors differ in the bits of these (Intel SDM vol. 2, RCPPS, gives a bound only): here the
/// results are those of AMD's, which look at twelve bits of the operand's fraction and yield as many.
enum Approximation {
  private static let format = FloatingPointFormat.single

  static func reciprocal(_ bits: UInt32) -> UInt32 {
    if let special = special(bits) { return special }
    let interval = Int(bits >> 11 & 0xfff)
    // 1 / (1 + (interval + ½) / 4096), rounded to 13 bits.
    let divisor = 8193 + 2 * UInt64(interval)
    let middle = (1 << 27 + divisor) / (2 * divisor)
    return pack(
      bits & 1 << 31, exponent: 253 - Int(bits >> 23 & 0xff),
      middle &+ correction(ApproximationTables.reciprocal, interval))
  }

  static func reciprocalRoot(_ bits: UInt32) -> UInt32 {
    let isNegative = bits >> 31 != 0 && bits & 0x7f80_0000 != 0 && bits & 0x7fff_ffff <= 0x7f80_0000
    if isNegative { return UInt32(truncatingIfNeeded: format.indefinite) }
    if let special = special(bits) { return special }
    let interval = Int(bits >> 11 & 0xfff)
    let exponent = Int(bits >> 23 & 0xff) - 127
    let isOdd = exponent & 1 != 0
    let operand = Double(8193 + 2 * interval) / 8192 * (isOdd ? 2 : 1)
    let middle = UInt64(8192 / operand.squareRoot() + 0.5)
    return pack(
      0, exponent: 126 - exponent >> 1,
      middle &+ correction(ApproximationTables.reciprocalRoot, interval + (isOdd ? 4096 : 0)))
  }

  /// NaN, infinity, and zero, as which denormals count.
  private static func special(_ bits: UInt32) -> UInt32? {
    let sign = bits & 1 << 31
    switch bits & 0x7fff_ffff {
    case 0..<0x80_0000: return sign | 0x7f80_0000
    case 0x7f80_0000: return sign
    case 0x7f80_0001...: return bits | 1 << 22
    default: return nil
    }
  }

  private static func correction(_ table: [UInt64], _ interval: Int) -> UInt64 {
    (table[interval >> 5] >> UInt64(2 * (interval & 31)) & 3) &- 1
  }

  /// A significand of 13 bits; results below the normal range become zero.
  private static func pack(_ sign: UInt32, exponent: Int, _ significand: UInt64) -> UInt32 {
    guard exponent > 0 else { return sign }
    return sign | UInt32(exponent) << 23 | UInt32(truncatingIfNeeded: significand & 0xfff) << 11
  }
}
