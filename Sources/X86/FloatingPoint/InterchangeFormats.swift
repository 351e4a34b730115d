/// Binary32 and binary64 as bit patterns, right-aligned in 64 bits.
extension FloatingPointFormat {
  @inline(__always) var fractionBits: UInt64 { UInt64(truncatingIfNeeded: precision &- 1) }
  @inline(__always) private var exponentMask: UInt64 { UInt64(truncatingIfNeeded: maximumExponent &* 2 &+ 1) }
  @inline(__always) private var fractionMask: UInt64 { (1 &<< fractionBits) &- 1 }
  @inline(__always) var signBit: UInt64 { (exponentMask &+ 1) &<< fractionBits }
  @inline(__always) var quietBit: UInt64 { 1 &<< (fractionBits &- 1) }
  @inline(__always) var infinity: UInt64 { exponentMask &<< fractionBits }
  /// The QNaN that stands for an invalid operation.
  @inline(__always) var indefinite: UInt64 { signBit | infinity | quietBit }

  @inline(__always) func isNaN(_ bits: UInt64) -> Bool { bits & (signBit &- 1) > infinity }
  @inline(__always) func isSignalingNaN(_ bits: UInt64) -> Bool { isNaN(bits) && bits & quietBit == 0 }
  @inline(__always) func isDenormal(_ bits: UInt64) -> Bool { bits & infinity == 0 && bits & fractionMask != 0 }
  @inline(__always) func isZero(_ bits: UInt64) -> Bool { bits & (signBit &- 1) == 0 }

  @inline(__always)
  func unpack(_ bits: UInt64) -> UnpackedFloat {
    let sign = bits & signBit != 0
    let field = (bits &>> fractionBits) & exponentMask
    let fraction = (bits & fractionMask) &<< (63 &- fractionBits)
    if field == exponentMask {
      if fraction == 0 { return UnpackedFloat(kind: .infinity, sign: sign) }
      let kind: UnpackedFloat.Kind = bits & quietBit != 0 ? .quietNaN : .signalingNaN
      return UnpackedFloat(kind: kind, sign: sign, significand: fraction | 1 << 63)
    }
    if field != 0 {
      let exponent = Int32(truncatingIfNeeded: field) &- maximumExponent
      return UnpackedFloat(kind: .finite, sign: sign, exponent: exponent, significand: fraction | 1 << 63)
    }
    if fraction == 0 { return UnpackedFloat(kind: .zero, sign: sign) }
    let shift = fraction.leadingZeroBitCount
    return UnpackedFloat(
      kind: .finite, sign: sign, exponent: minimumExponent &- Int32(truncatingIfNeeded: shift),
      significand: fraction &<< UInt64(truncatingIfNeeded: shift), isDenormal: true)
  }

  @inline(__always)
  func zero(sign: Bool) -> UInt64 { sign ? signBit : 0 }

  @inline(__always)
  func infinity(sign: Bool) -> UInt64 { sign ? signBit | infinity : infinity }

  @inline(__always)
  func pack(_ value: RoundedFloat) -> UInt64 {
    if value.isInfinite { return infinity(sign: value.sign) }
    let fraction = (value.significand &>> (63 &- fractionBits)) & fractionMask
    let isNormal = value.significand &>> 63 != 0
    let field = isNormal ? UInt64(truncatingIfNeeded: value.exponent &+ maximumExponent) & exponentMask : 0
    return zero(sign: value.sign) | field &<< fractionBits | fraction
  }

  /// A NaN from any format, cut to this one's width and made quiet.
  @inline(__always)
  func packQuieted(_ nan: UnpackedFloat) -> UInt64 {
    infinity(sign: nan.sign) | quietBit | ((nan.significand &>> (63 &- fractionBits)) & fractionMask)
  }
}
