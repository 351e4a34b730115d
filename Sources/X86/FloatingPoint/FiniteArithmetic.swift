/// The finite arithmetic that all formats share: exact up to a sticky last bit, ready to be rounded.
enum Arithmetic {
  /// The sum of two finite non-zero values; nil where they cancel exactly.
  @inline(__always)
  static func sum(_ a: UnpackedFloat, _ b: UnpackedFloat) -> WideFloat? {
    let swap = a.exponent < b.exponent || (a.exponent == b.exponent && a.significand < b.significand)
    let (large, small) = swap ? (b, a) : (a, b)
    // One bit of headroom for the carry; the small one loses nothing but what the sticky bit tells.
    let first = UInt128(large.significand) &<< 63
    let second = (UInt128(small.significand) &<< 63).shiftedRightJamming(large.exponent &- small.exponent)
    let result = large.sign == small.sign ? first &+ second : first &- second
    if result == 0 { return nil }
    return WideFloat(sign: large.sign, exponent: large.exponent &+ 1, normalizing: result)
  }

  @inline(__always)
  static func product(_ a: UnpackedFloat, _ b: UnpackedFloat) -> WideFloat {
    let product = a.significand.multipliedFullWidth(by: b.significand)
    return WideFloat(
      sign: a.sign != b.sign, exponent: a.exponent &+ b.exponent &+ 1,
      normalizing: UInt128(product.high) &<< 64 | UInt128(product.low))
  }

  @inline(__always)
  static func quotient(_ a: UnpackedFloat, _ b: UnpackedFloat) -> WideFloat {
    // Halved, so that the first quotient fits 64 bits.
    let high = a.significand &>> 1
    let low = a.significand &<< 63
    let first = b.significand.dividingFullWidth((high, low))
    let second = b.significand.dividingFullWidth((first.remainder, 0))
    let quotient = UInt128(first.quotient) &<< 64 | UInt128(second.quotient) | (second.remainder != 0 ? 1 : 0)
    return WideFloat(sign: a.sign != b.sign, exponent: a.exponent &- b.exponent, normalizing: quotient)
  }

  /// The square root of a positive finite value.
  static func squareRoot(_ a: UnpackedFloat) -> WideFloat {
    let isOdd = a.exponent & 1 != 0
    let radicand = UInt128(a.significand) &<< (isOdd ? 64 : 63)
    let (root, remainder) = integerSquareRoot(radicand)
    // √N lies above root + ½ exactly when the remainder exceeds root.
    let low: UInt64 = (remainder > UInt128(root) ? 1 << 63 : 0) | (remainder != 0 ? 1 : 0)
    return WideFloat(
      sign: false, exponent: (a.exponent &- (isOdd ? 1 : 0)) / 2, normalizing: UInt128(root) &<< 64 | UInt128(low))
  }

  /// ⌊√n⌋ and n − ⌊√n⌋², bit by bit.
  private static func integerSquareRoot(_ n: UInt128) -> (root: UInt64, remainder: UInt128) {
    var remainder = n
    var root: UInt128 = 0
    var bit: UInt128 = 1 << 126
    while bit != 0 {
      if remainder >= root &+ bit {
        remainder &-= root &+ bit
        root = (root &>> 1) &+ bit
      } else {
        root = root &>> 1
      }
      bit = bit &>> 2
    }
    return (UInt64(truncatingIfNeeded: root), remainder)
  }

  /// The magnitudes of two finite non-zero values compared.
  @inline(__always)
  static func isMagnitudeLess(_ a: UnpackedFloat, _ b: UnpackedFloat) -> Bool {
    a.exponent < b.exponent || (a.exponent == b.exponent && a.significand < b.significand)
  }

  /// Two values that are not NaN, in order.
  static func compare(_ a: UnpackedFloat, _ b: UnpackedFloat) -> FloatingPointOrder {
    if a.isZero && b.isZero { return .equal }
    if a.isZero { return b.sign ? .greater : .less }
    if b.isZero { return a.sign ? .less : .greater }
    if a.sign != b.sign { return a.sign ? .less : .greater }
    if a.isInfinite || b.isInfinite {
      if a.isInfinite && b.isInfinite { return .equal }
      return a.isInfinite != a.sign ? .greater : .less
    }
    if a.exponent == b.exponent && a.significand == b.significand { return .equal }
    return isMagnitudeLess(a, b) != a.sign ? .less : .greater
  }
}

enum FloatingPointOrder {
  case less, equal, greater, unordered
}
