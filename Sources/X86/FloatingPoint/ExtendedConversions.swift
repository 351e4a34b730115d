/// Loads and stores of the x87 in other formats.
extension FloatingPointContext {
  /// FLD m32 and m64.
  mutating func load(_ bits: UInt64, from format: FloatingPointFormat) -> Extended {
    let x = format.unpack(bits)
    if x.kind == .signalingNaN {
      raise(.invalid)
      return Extended(nan: x).quieted
    }
    noteDenormal(x)
    return Extended(exactly: x)
  }

  /// FST m32 and m64: nil when an unmasked exception keeps memory as it is.
  mutating func store(_ a: Extended, to format: FloatingPointFormat) -> UInt64? {
    let x = a.unpacked
    switch x.kind {
    case .zero: return format.zero(sign: x.sign)
    case .infinity: return format.infinity(sign: x.sign)
    case .quietNaN: return format.packQuieted(x)
    case .signalingNaN, .unsupported:
      raise(.invalid)
      if !masked.contains(.invalid) { return nil }
      return x.kind == .unsupported ? format.indefinite : format.packQuieted(x)
    case .finite:
      let rounded = round(WideFloat(x), to: format)
      let stopping = raised.subtracting(masked).intersection([.overflow, .underflow])
      if stopping.isEmpty { return format.pack(rounded) }
      // Nothing was stored, so nothing was rounded.
      raised.remove(.precision)
      roundedUp = false
      return nil
    }
  }

  /// FIST and FISTP: the integer of `bits` bits, or its indefinite when it does not fit. nil when an unmasked exception
  /// keeps memory as it is. `truncating` as FISTTP.
  mutating func storeInteger(_ a: Extended, bits: Int, truncating: Bool = false) -> Int64? {
    let indefinite = Int64.min &>> Int64(64 - bits)
    let limit = UInt64(1) &<< UInt64(bits - 1)
    guard let (magnitude, sign) = integer(a, limit: limit, truncating: truncating) else {
      raise(.invalid)
      return masked.contains(.invalid) ? indefinite : nil
    }
    let value = Int64(truncatingIfNeeded: magnitude)
    return sign ? 0 &- value : value
  }

  /// Rounded to an integer; nil where it is no number or its magnitude reaches `limit` (negative: exceeds it).
  private mutating func integer(_ a: Extended, limit: UInt64, truncating: Bool) -> (magnitude: UInt64, sign: Bool)? {
    let x = a.unpacked
    switch x.kind {
    case .zero: return (0, false)
    case .finite: break
    case .infinity, .quietNaN, .signalingNaN, .unsupported: return nil
    }
    var rounder = self
    if truncating { rounder.rounding = .towardZero }
    guard let result = rounder.integralMagnitude(x) else { return nil }
    if result.magnitude > (x.sign ? limit : limit &- 1) { return nil }
    roundedUp = result.isUp
    if result.isInexact { raise(.precision) }
    return (result.magnitude, x.sign)
  }

  struct IntegralMagnitude {
    var magnitude: UInt64
    var isInexact: Bool
    var isUp: Bool
  }

  /// A finite value's magnitude rounded to an integer; nil from 2⁶⁴ on.
  func integralMagnitude(_ x: UnpackedFloat) -> IntegralMagnitude? {
    if x.exponent > 63 { return nil }
    let wide = (UInt128(x.significand) &<< 64).shiftedRightJamming(63 &- x.exponent)
    let whole = UInt64(truncatingIfNeeded: wide &>> 64)
    let fraction = UInt64(truncatingIfNeeded: wide)
    let isUp = increments(sign: x.sign, fraction: fraction, odd: whole & 1 != 0)
    let (magnitude, overflow) = whole.addingReportingOverflow(isUp ? 1 : 0)
    return overflow ? nil : IntegralMagnitude(magnitude: magnitude, isInexact: fraction != 0, isUp: isUp)
  }

  /// FRNDINT.
  mutating func roundToInteger(_ a: Extended) -> Extended {
    let x = a.unpacked
    if let result = screen(a, x) { return result }
    if x.kind != .finite { return a }
    noteDenormal(x)
    if isStopped { return a }
    guard x.exponent < 63, let result = integralMagnitude(x) else { return a }
    roundedUp = result.isUp
    if result.isInexact { raise(.precision) }
    if result.magnitude == 0 { return .zero(sign: x.sign) }
    let shift = result.magnitude.leadingZeroBitCount
    return Extended(
      RoundedFloat(
        sign: x.sign, exponent: 63 &- Int32(shift), significand: result.magnitude &<< UInt64(shift)))
  }
}
