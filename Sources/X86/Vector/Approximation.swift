/// RCPPS and RSQRTPS. Processors differ in the bits of these (Intel SDM vol. 2, RCPPS, gives a bound only). AMD's look
/// at twelve bits of the operand's fraction, and yield as many; Intel's (coarse) look at eleven for the reciprocal and
/// at ten for that of the root, and yield twelve, exactly those of the interval's middle.
enum Approximation {
  private static let format = FloatingPointFormat.single

  static func reciprocal(_ bits: UInt32, coarse: Bool) -> UInt32 {
    if let special = special(bits) { return special }
    let width = coarse ? 11 : 12
    let interval = interval(bits, width)
    // 1 / (1 + (interval + ½) / 2^width), rounded to 13 bits.
    let divisor = 1 << UInt64(width + 1) + 1 + 2 * UInt64(interval)
    let middle = (1 << UInt64(width + 15) + divisor) / (2 * divisor)
    let correction = coarse ? 0 : correction(ApproximationTables.reciprocal, interval)
    return pack(bits & 1 << 31, exponent: 253 - Int(bits >> 23 & 0xff), middle &+ correction)
  }

  static func reciprocalRoot(_ bits: UInt32, coarse: Bool) -> UInt32 {
    let isNegative = bits >> 31 != 0 && bits & 0x7f80_0000 != 0 && bits & 0x7fff_ffff <= 0x7f80_0000
    if isNegative { return UInt32(truncatingIfNeeded: format.indefinite) }
    if let special = special(bits) { return special }
    let width = coarse ? 10 : 12
    let interval = interval(bits, width)
    let exponent = Int(bits >> 23 & 0xff) - 127
    let isOdd = exponent & 1 != 0
    let halves = 1 << (width + 1)
    let operand = Double(halves + 1 + 2 * interval) / Double(halves) * (isOdd ? 2 : 1)
    let middle = UInt64(8192 / operand.squareRoot() + 0.5)
    let correction = coarse ? 0 : correction(ApproximationTables.reciprocalRoot, interval + (isOdd ? 4096 : 0))
    return pack(0, exponent: 126 - exponent >> 1, middle &+ correction)
  }

  /// The first bits of the fraction, as many as `width` says.
  private static func interval(_ bits: UInt32, _ width: Int) -> Int { Int(bits & 0x7f_ffff) >> (23 - width) }

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
