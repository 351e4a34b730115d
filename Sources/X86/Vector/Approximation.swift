/// RCPPS and RSQRTPS. Processors differ in the bits of these: here the result is the exact one rounded to 12 bits of
/// significand, which keeps the error bound of 1.5 · 2⁻¹² that the manuals give (Intel SDM vol. 2, RCPPS).
enum Approximation {
  private static let format = FloatingPointFormat.single
  /// Twelve bits of significand, the integer bit included; results beyond the range become zero or infinity.
  private static let short = FloatingPointFormat(precision: 13, minimumExponent: -126, maximumExponent: 127, wrap: 192)

  static func reciprocal(_ bits: UInt32) -> UInt32 {
    let x = format.unpack(UInt64(bits))
    if let special = special(UInt64(bits), x) { return special }
    return pack(Arithmetic.quotient(Extended.one.unpacked, positive(x)), sign: x.sign)
  }

  static func reciprocalRoot(_ bits: UInt32) -> UInt32 {
    let x = format.unpack(UInt64(bits))
    if x.sign && !x.isNaN && !x.isZero && !x.isDenormal { return UInt32(truncatingIfNeeded: format.indefinite) }
    if let special = special(UInt64(bits), x) { return special }
    return pack(WideFloat.one / Arithmetic.squareRoot(x), sign: false)
  }

  /// NaN, infinity, and zero, as which denormals count.
  private static func special(_ bits: UInt64, _ x: UnpackedFloat) -> UInt32? {
    if x.isNaN { return UInt32(truncatingIfNeeded: bits | format.quietBit) }
    if x.isZero || x.isDenormal { return UInt32(truncatingIfNeeded: format.infinity(sign: x.sign)) }
    if x.isInfinite { return UInt32(truncatingIfNeeded: format.zero(sign: x.sign)) }
    return nil
  }

  private static func positive(_ x: UnpackedFloat) -> UnpackedFloat {
    UnpackedFloat(kind: .finite, sign: false, exponent: x.exponent, significand: x.significand)
  }

  private static func pack(_ value: WideFloat, sign: Bool) -> UInt32 {
    var context = FloatingPointContext()
    context.flushToZero = true
    var rounded = context.round(value, to: short)
    rounded.sign = sign
    return UInt32(truncatingIfNeeded: format.pack(rounded))
  }
}
