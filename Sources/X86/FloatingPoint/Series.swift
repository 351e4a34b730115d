/// The elementary functions on reduced arguments, by their power series with 128 bits.
enum Series {
  /// e^y − 1 for |y| below 1.
  static func exponentialMinusOne(_ y: WideFloat) -> WideFloat {
    var sum = WideFloat.one
    for n in stride(from: UInt64(34), to: 1, by: -1) { sum = .one + (y * sum).divided(by: n) }
    return y * sum
  }

  /// artanh(s) for |s| below 0.18.
  static func inverseHyperbolicTangent(_ s: WideFloat) -> WideFloat { odd(s, s * s) }

  /// arctan(s) for |s| of at most 1/8.
  static func arctangent(_ s: WideFloat) -> WideFloat { odd(s, (s * s).negated) }

  /// s · (1 + q/3 + q²/5 + …)
  private static func odd(_ s: WideFloat, _ q: WideFloat) -> WideFloat {
    var sum = WideFloat.reciprocal(55)
    for n in stride(from: UInt64(53), to: 0, by: -2) { sum = .reciprocal(n) + q * sum }
    return s * sum
  }

  /// sin(x) for |x| of at most π/4.
  static func sine(_ x: WideFloat) -> WideFloat {
    let square = (x * x).negated
    var sum = WideFloat.one
    for n in stride(from: UInt64(32), to: 0, by: -2) { sum = .one + (square * sum).divided(by: n * (n + 1)) }
    return x * sum
  }

  /// cos(x) for |x| of at most π/4.
  static func cosine(_ x: WideFloat) -> WideFloat {
    let square = (x * x).negated
    var sum = WideFloat.one
    for n in stride(from: UInt64(33), to: 0, by: -2) { sum = .one + (square * sum).divided(by: n * (n + 1)) }
    return sum
  }

  /// log₂ of a positive value given as its difference from 1 (`excess`), which lies between −0.3 and 0.42.
  static func logarithm2(onePlus excess: WideFloat) -> WideFloat {
    let s = excess / (excess + .one + .one)
    return inverseHyperbolicTangent(s) * twiceLog2E
  }

  static var ln2: WideFloat {
    WideFloat(sign: false, exponent: -1, exactSignificand: 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6af)
  }
  /// 2 / ln 2.
  static var twiceLog2E: WideFloat {
    WideFloat(sign: false, exponent: 1, exactSignificand: 0xb8aa_3b29_5c17_f0bb_be87_fed0_691d_3e89)
  }
  static var pi: WideFloat {
    WideFloat(sign: false, exponent: 1, exactSignificand: 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1)
  }
  static var halfPi: WideFloat { WideFloat(sign: false, exponent: 0, exactSignificand: pi.significand) }
  static var quarterPi: WideFloat { WideFloat(sign: false, exponent: -1, exactSignificand: pi.significand) }
}
