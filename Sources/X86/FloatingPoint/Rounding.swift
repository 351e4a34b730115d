/// A result rounded to a format. Finite: the integer bit is bit 63, clear for denormals and zero (whose exponent is the
/// format's least).
struct RoundedFloat {
  var sign: Bool
  var exponent: Int32
  var significand: UInt64
  var isInfinite = false
}

extension FloatingPointContext {
  /// A significand rounded to some bits as if the exponent had no bounds.
  private struct Cut {
    var significand: UInt64
    var carried: Bool
    var isInexact: Bool
    var isUp: Bool
  }

  @inline(__always)
  private func cut(_ significand: UInt128, to precision: Int32, sign: Bool) -> Cut {
    let high = UInt64(truncatingIfNeeded: significand &>> 64)
    let low = UInt64(truncatingIfNeeded: significand)
    let unit: UInt64 = 1 &<< UInt64(64 &- precision)
    let kept = high & ~(unit &- 1)
    let fraction = precision == 64 ? low : (high &<< UInt64(precision)) | (low != 0 ? 1 : 0)
    let isUp = increments(sign: sign, fraction: fraction, odd: kept & unit != 0)
    guard isUp else { return Cut(significand: kept, carried: false, isInexact: fraction != 0, isUp: false) }
    let (sum, carried) = kept.addingReportingOverflow(unit)
    return Cut(significand: carried ? 1 << 63 : sum, carried: carried, isInexact: true, isUp: true)
  }

  /// Rounds `value` to `format`, raising overflow, underflow and precision as the environment asks (Intel SDM vol. 1,
  /// 4.9.1.4 to 4.9.1.6; tininess is found after rounding). Unmasked overflow and underflow wrap the exponent.
  mutating func round(_ value: WideFloat, to format: FloatingPointFormat) -> RoundedFloat {
    let first = cut(value.significand, to: format.precision, sign: value.sign)
    let exponent = value.exponent &+ (first.carried ? 1 : 0)
    if exponent < format.minimumExponent { return underflow(value, first, exponent, format) }
    if exponent > format.maximumExponent { return overflow(sign: value.sign, first, exponent, format) }
    note(first)
    return RoundedFloat(sign: value.sign, exponent: exponent, significand: first.significand)
  }

  @inline(__always)
  private mutating func note(_ cut: Cut) {
    roundedUp = cut.isUp
    if cut.isInexact { raise(.precision) }
  }

  @inline(never)
  private mutating func underflow(
    _ value: WideFloat, _ first: Cut, _ exponent: Int32, _ format: FloatingPointFormat
  ) -> RoundedFloat {
    let sign = value.sign
    if !masked.contains(.underflow) {
      raise(.underflow)
      note(first)
      if exponent &+ format.wrap < format.minimumExponent { return beyondWrap(infinite: false, sign: sign, format) }
      return RoundedFloat(sign: sign, exponent: exponent &+ format.wrap, significand: first.significand)
    }
    if flushToZero {
      raise([.underflow, .precision])
      return RoundedFloat(sign: sign, exponent: format.minimumExponent, significand: 0)
    }
    let shifted = value.significand.shiftedRightJamming(format.minimumExponent &- value.exponent)
    let second = cut(shifted, to: format.precision, sign: sign)
    note(second)
    if second.isInexact { raise(.underflow) }
    return RoundedFloat(sign: sign, exponent: format.minimumExponent, significand: second.significand)
  }

  @inline(never)
  private mutating func overflow(
    sign: Bool, _ first: Cut, _ exponent: Int32, _ format: FloatingPointFormat
  ) -> RoundedFloat {
    raise(.overflow)
    if !masked.contains(.overflow) {
      note(first)
      if exponent &- format.wrap > format.maximumExponent { return beyondWrap(infinite: true, sign: sign, format) }
      return RoundedFloat(sign: sign, exponent: exponent &- format.wrap, significand: first.significand)
    }
    raise(.precision)
    roundedUp = increments(sign: sign, fraction: .max, odd: true)
    if roundedUp { return RoundedFloat(sign: sign, exponent: 0, significand: 1 << 63, isInfinite: true) }
    let largest = ~UInt64(0) &<< UInt64(64 &- format.precision)
    return RoundedFloat(sign: sign, exponent: format.maximumExponent, significand: largest)
  }

  /// FSCALE can leave the range so far that even a wrapped exponent does not fit: zero or infinity, as on the host.
  private mutating func beyondWrap(infinite: Bool, sign: Bool, _ format: FloatingPointFormat) -> RoundedFloat {
    guard format.wrap == FloatingPointFormat.extended.wrap else {
      return RoundedFloat(sign: sign, exponent: 0, significand: 0)
    }
    raise(.precision)
    roundedUp = infinite
    return RoundedFloat(
      sign: sign, exponent: format.minimumExponent, significand: infinite ? 1 << 63 : 0, isInfinite: infinite)
  }
}
