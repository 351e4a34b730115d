/// Arithmetic with 128 bits of significand for the transcendental functions, good to a few units of its last place; a
/// zero has significand 0.
extension WideFloat {
  static var zero: Self { Self(sign: false, exponent: 0, exactSignificand: 0) }
  static var one: Self { Self(sign: false, exponent: 0, exactSignificand: 1 << 127) }

  init(sign: Bool, exponent: Int32, exactSignificand: UInt128) {
    self.sign = sign
    self.exponent = exponent
    self.significand = exactSignificand
  }

  var isZero: Bool { significand == 0 }
  var negated: Self { Self(sign: !sign, exponent: exponent, exactSignificand: significand) }

  /// 1 / n for a small n.
  static func reciprocal(_ n: UInt64) -> Self { one.divided(by: n) }

  func divided(by n: UInt64) -> Self {
    if isZero { return self }
    let lead = Int32(truncatingIfNeeded: 63 &- n.leadingZeroBitCount)
    // Scaled so that the quotient keeps all bits but the few that the divisor has.
    let quotient = significand / UInt128(n)
    let rest = significand % UInt128(n)
    let extended = quotient &<< UInt128(lead) | (rest &<< UInt128(lead)) / UInt128(n)
    return Self(sign: sign, exponent: exponent &- lead, normalizing: extended)
  }

  static func * (a: Self, b: Self) -> Self {
    if a.isZero || b.isZero { return .zero }
    let product = a.significand.multipliedFullWidth(by: b.significand).high
    return Self(sign: a.sign != b.sign, exponent: a.exponent &+ b.exponent &+ 1, normalizing: product)
  }

  static func + (a: Self, b: Self) -> Self {
    if a.isZero { return b }
    if b.isZero { return a }
    let swap = a.exponent < b.exponent || (a.exponent == b.exponent && a.significand < b.significand)
    let (large, small) = swap ? (b, a) : (a, b)
    let second = small.significand.shiftedRight(large.exponent &- small.exponent)
    if large.sign == small.sign {
      let (sum, carry) = large.significand.addingReportingOverflow(second)
      if !carry { return Self(sign: large.sign, exponent: large.exponent, exactSignificand: sum) }
      return Self(sign: large.sign, exponent: large.exponent &+ 1, exactSignificand: sum &>> 1 | 1 &<< 127)
    }
    let difference = large.significand &- second
    return difference == 0 ? .zero : Self(sign: large.sign, exponent: large.exponent, normalizing: difference)
  }

  static func - (a: Self, b: Self) -> Self { a + b.negated }

  static func / (a: Self, b: Self) -> Self {
    if a.isZero { return a }
    // Bit by bit: the quotient of two values in [1, 2) needs 128 steps.
    var rest = a.significand
    var quotient: UInt128 = 0
    var carry = false
    for _ in 0..<128 {
      quotient = quotient &<< 1
      if carry || rest >= b.significand {
        rest = rest &- b.significand
        quotient |= 1
      }
      carry = rest &>> 127 != 0
      rest = rest &<< 1
    }
    return Self(sign: a.sign != b.sign, exponent: a.exponent &- b.exponent, normalizing: quotient)
  }

  /// A little more than a value that came out exact though it is not; the last bit tells of the rest.
  var nudgedUp: Self { Self(sign: sign, exponent: exponent, exactSignificand: significand | 1) }

  /// A little less.
  var nudgedDown: Self {
    if significand == 1 << 127 { return Self(sign: sign, exponent: exponent &- 1, exactSignificand: .max) }
    return Self(sign: sign, exponent: exponent, exactSignificand: (significand &- 1) | 1)
  }
}

extension UInt128 {
  fileprivate func shiftedRight(_ count: Int32) -> UInt128 { count >= 128 ? 0 : self &>> UInt128(count) }
}
