// F2XM1, FYL2X, FYL2XP1, FPATAN (Intel SDM vol. 1, 8.3.6 and 8.3.10; vol. 2 for the special cases). Results are
// correct but for the last place in rare cases; they are a function of the operands alone on every host.
extension FloatingPointContext {
  /// A transcendental result: always to 64 bits, whatever the precision control.
  private mutating func inexact(_ value: WideFloat) -> Extended { Extended(round(value, to: .extended)) }

  /// F2XM1: 2^a − 1 for |a| of at most 1; beyond that the operand itself.
  mutating func powerMinusOne(_ a: Extended) -> Extended {
    let x = a.unpacked
    if let result = screen(a, x) { return result }
    if x.isZero { return a }
    if x.isInfinite { return x.sign ? Extended.one.negated : a }
    noteDenormal(x)
    if isStopped { return a }
    if x.exponent >= 0 {
      // Out of range the operand stays, and counts as inexact. So do 1 and -1, whose results are exact.
      raise(.precision)
      guard x.exponent == 0, x.significand == 1 << 63 else { return a }
      return x.sign ? Extended(significand: 1 << 63, signExponent: 0xbffe) : .one
    }
    return inexact(Series.exponentialMinusOne(WideFloat(x) * Series.ln2).nudgedUp)
  }

  /// FYL2X: b · log₂(a).
  mutating func logarithm(_ a: Extended, times b: Extended) -> Extended {
    let x = a.unpacked
    let y = b.unpacked
    if let result = screen(a, x, b, y) { return result }
    if x.sign && !x.isZero { return invalid() }
    if x.isZero {
      if y.isZero { return invalid() }
      if !y.isInfinite { raise(.zeroDivide) }
      return .infinity(sign: !y.sign)
    }
    if x.isInfinite {
      if y.isZero { return invalid() }
      noteDenormal(y)
      return .infinity(sign: y.sign)
    }
    let isOne = x.exponent == 0 && x.significand == 1 << 63
    if y.isInfinite {
      if isOne { return invalid() }
      noteDenormal(x)
      return .infinity(sign: y.sign != (x.exponent < 0))
    }
    noteDenormal(x, y)
    if isStopped { return .indefinite }
    if isOne { return .zero(sign: y.sign) }
    if y.isZero { return .zero(sign: y.sign != (x.exponent < 0)) }
    return scaledLogarithm(x, y)
  }

  private mutating func scaledLogarithm(_ x: UnpackedFloat, _ y: UnpackedFloat) -> Extended {
    if x.significand == 1 << 63 {
      let power = Extended(Int64(x.exponent)).unpacked
      // Exact or not, the processor reports it as rounded.
      let result = inexact(Arithmetic.product(power, y))
      raise(result.exponentField == 0 ? [.precision, .underflow] : .precision)
      return result
    }
    // x = 2^e · m with m between √½ and √2.
    let isHigh = x.significand > 0xb504_f333_f9de_6484
    let mantissa = WideFloat(sign: false, exponent: isHigh ? -1 : 0, exactSignificand: UInt128(x.significand) &<< 64)
    let fraction = Series.logarithm2(onePlus: mantissa - .one)
    let whole = Extended(Int64(x.exponent &+ (isHigh ? 1 : 0))).unpacked
    let logarithm = whole.isZero ? fraction : WideFloat(whole) + fraction
    return inexact((logarithm * WideFloat(y)).nudgedUp)
  }

  /// FYL2XP1: b · log₂(1 + a).
  mutating func logarithmPlusOne(_ a: Extended, times b: Extended) -> Extended {
    let x = a.unpacked
    let y = b.unpacked
    if let result = screen(a, x, b, y) { return result }
    if x.isInfinite {
      if x.sign || y.isZero { return invalid() }
      noteDenormal(y)
      return .infinity(sign: y.sign)
    }
    if y.isInfinite {
      if x.isZero { return invalid() }
      noteDenormal(x)
      return .infinity(sign: y.sign != x.sign)
    }
    noteDenormal(x, y)
    if isStopped { return .indefinite }
    if x.isZero || y.isZero { return .zero(sign: x.sign != y.sign) }
    if x.exponent < -2 || (x.exponent == -2 && x.significand < 0x9500_0000_0000_0000) {
      return inexact((Series.logarithm2(onePlus: WideFloat(x)) * WideFloat(y)).nudgedUp)
    }
    // Where the argument is large, 1 + x loses nothing that matters; at and below −1 the result is undefined.
    let sum = WideFloat.one + WideFloat(x)
    if sum.isZero || sum.sign {
      raise(.precision)
      return a
    }
    let isHigh = sum.significand >> 64 > 0xb504_f333_f9de_6484
    let mantissa = WideFloat(sign: false, exponent: isHigh ? -1 : 0, exactSignificand: sum.significand)
    let whole = Extended(Int64(sum.exponent &+ (isHigh ? 1 : 0))).unpacked
    let fraction = mantissa - .one
    let logarithm =
      (whole.isZero ? .zero : WideFloat(whole)) + (fraction.isZero ? .zero : Series.logarithm2(onePlus: fraction))
    return inexact((logarithm * WideFloat(y)).nudgedUp)
  }

  /// FPATAN: the angle of the point (`over`, a).
  mutating func arctangent(_ a: Extended, over b: Extended) -> Extended {
    let y = a.unpacked
    let x = b.unpacked
    if let result = screen(b, x, a, y) { return result }
    noteDenormal(x, y)
    if isStopped { return .indefinite }
    if y.isZero || (x.isInfinite && !y.isInfinite) {
      return x.sign ? angle(Series.pi, sign: y.sign) : .zero(sign: y.sign)
    }
    if x.isInfinite {
      return angle(x.sign ? Series.halfPi + Series.quarterPi : Series.quarterPi, sign: y.sign)
    }
    if y.isInfinite || x.isZero { return angle(Series.halfPi, sign: y.sign) }
    return finiteAngle(y, x)
  }

  private mutating func angle(_ value: WideFloat, sign: Bool) -> Extended {
    inexact(WideFloat(sign: sign, exponent: value.exponent, exactSignificand: value.significand | 1))
  }

  private mutating func finiteAngle(_ y: UnpackedFloat, _ x: UnpackedFloat) -> Extended {
    var (numerator, denominator) = (WideFloat(y), WideFloat(x))
    (numerator.sign, denominator.sign) = (false, false)
    let isSteep = Arithmetic.isMagnitudeLess(x, y)
    let ratio = isSteep ? denominator / numerator : numerator / denominator
    // Tiny quotients: the arctangent is a little less, whatever its exponent.
    var angle = ratio.exponent < -80 ? ratio.nudgedDown : Self.arctangent(ratio)
    if isSteep { angle = Series.halfPi - angle }
    if x.sign { angle = Series.pi - angle }
    angle.sign = y.sign
    return inexact(isExactRatio(ratio) && ratio.exponent < -80 && !isSteep && !x.sign ? angle : angle.nudgedUp)
  }

  private func isExactRatio(_ ratio: WideFloat) -> Bool { ratio.significand & 0xffff_ffff_ffff_ffff == 0 }

  /// arctan of 0 … 1: the nearest quarter's arctangent, and that of the rest.
  private static func arctangent(_ t: WideFloat) -> WideFloat {
    let quarters = t.exponent < -4 ? 0 : Int((t.significand >> UInt128(127 - 3 - Int(t.exponent)) + 1) >> 1)
    guard quarters > 0 else { return Series.arctangent(t) }
    let point = WideFloat(sign: false, exponent: 127, normalizing: UInt128(quarters)).dividedByFour
    let rest = (t - point) / (.one + t * point)
    return arctangents(quarters) + Series.arctangent(rest)
  }

  /// arctan(n / 4).
  private static func arctangents(_ n: Int) -> WideFloat {
    switch n {
    case 1: WideFloat(sign: false, exponent: -3, exactSignificand: 0xfadb_afc9_6406_eb15_6dc7_9ef5_f7a2_17e6)
    case 2: WideFloat(sign: false, exponent: -2, exactSignificand: 0xed63_382b_0dda_7b45_6fe4_45ec_bc3a_8d03)
    case 3: WideFloat(sign: false, exponent: -1, exactSignificand: 0xa4bc_7d19_34f7_0924_19a8_7f2a_457d_ac9f)
    default: Series.quarterPi
    }
  }
}

extension WideFloat {
  fileprivate var dividedByFour: Self { Self(sign: sign, exponent: exponent &- 2, exactSignificand: significand) }
}
