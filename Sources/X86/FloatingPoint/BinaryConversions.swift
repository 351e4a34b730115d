/// SSE conversions between the binary formats and integers (Intel SDM vol. 1, 11.4.1.6 and 11.5.2).
extension FloatingPointContext {
  /// CVTSS2SD, CVTSD2SS and packed ones.
  mutating func convert(_ a: UInt64, from: FloatingPointFormat, to: FloatingPointFormat) -> UInt64 {
    let x = operand(a, from)
    switch x.kind {
    case .zero: return to.zero(sign: x.sign)
    case .infinity: return to.infinity(sign: x.sign)
    case .quietNaN: return to.packQuieted(x)
    case .signalingNaN, .unsupported:
      raise(.invalid)
      return to.packQuieted(x)
    case .finite:
      noteDenormal(x)
      if isStopped { return 0 }
      return to.pack(round(WideFloat(x), to: to))
    }
  }

  /// CVTSI2SS, CVTSI2SD and packed ones.
  mutating func convert(integer: Int64, to format: FloatingPointFormat) -> UInt64 {
    if integer == 0 { return 0 }
    let wide = WideFloat(sign: integer < 0, exponent: 63, normalizing: UInt128(integer.magnitude) &<< 64)
    return format.pack(round(wide, to: format))
  }

  /// CVTSS2SI, CVTSD2SI, the truncating and the packed ones: the indefinite integer where it does not fit.
  mutating func integer(_ a: UInt64, bits: Int, truncating: Bool, _ format: FloatingPointFormat) -> Int64 {
    let x = operand(a, format)
    if x.isZero { return 0 }
    let limit = UInt64(1) &<< UInt64(bits - 1)
    var rounder = self
    if truncating { rounder.rounding = .towardZero }
    guard x.kind == .finite, let result = rounder.integralMagnitude(x),
      result.magnitude <= (x.sign ? limit : limit &- 1)
    else {
      raise(.invalid)
      return Int64.min &>> Int64(64 - bits)
    }
    if result.isInexact { raise(.precision) }
    let value = Int64(truncatingIfNeeded: result.magnitude)
    return x.sign ? 0 &- value : value
  }

  /// ROUNDPS and its kin under this context's rounding mode; `quiet` keeps the precision exception down.
  mutating func roundToInteger(_ a: UInt64, quiet: Bool, _ format: FloatingPointFormat) -> UInt64 {
    let x = operand(a, format)
    if x.kind == .signalingNaN { raise(.invalid) }
    if x.isNaN { return a | format.quietBit }
    if x.isZero { return format.zero(sign: x.sign) }
    guard x.kind == .finite, x.exponent < format.precision, let result = integralMagnitude(x) else { return a }
    if result.isInexact && !quiet { raise(.precision) }
    if result.magnitude == 0 { return format.zero(sign: x.sign) }
    let shift = result.magnitude.leadingZeroBitCount
    return format.pack(
      RoundedFloat(
        sign: x.sign, exponent: 63 &- Int32(truncatingIfNeeded: shift),
        significand: result.magnitude &<< UInt64(truncatingIfNeeded: shift)))
  }
}
