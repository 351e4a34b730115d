/// FPREM and FPREM1, FSCALE, FXTRACT.
extension FloatingPointContext {
  struct Remainder {
    var value: Extended
    /// The quotient's low bits, for C0, C3 and C1; nil where there is none, of a NaN or an invalid operation.
    var quotient: UInt64?
    var isComplete: Bool
  }

  /// One step of a partial remainder: truncating as FPREM, or to nearest as FPREM1 (`ieee`).
  mutating func remainder(_ a: Extended, _ b: Extended, ieee: Bool) -> Remainder {
    let x = a.unpacked
    let y = b.unpacked
    if let result = screen(a, x, b, y) { return Remainder(value: result, quotient: nil, isComplete: true) }
    if x.isInfinite || y.isZero { return Remainder(value: invalid(), quotient: nil, isComplete: true) }
    noteDenormal(x, y)
    if isStopped || x.isZero { return Remainder(value: a, quotient: 0, isComplete: true) }
    if y.isInfinite { return Remainder(value: exact(x), quotient: 0, isComplete: true) }
    let distance = x.exponent &- y.exponent
    if distance >= 64 { return partial(x, y, by: 32 &+ distance % 32, distance) }
    return complete(x, y, distance, ieee: ieee)
  }

  /// A value that needs no rounding, but may be denormal.
  private mutating func exact(_ x: UnpackedFloat) -> Extended { Extended(round(WideFloat(x), to: .extended)) }

  /// Takes `count` bits of quotient away.
  private mutating func partial(
    _ x: UnpackedFloat, _ y: UnpackedFloat, by count: Int32, _ distance: Int32
  ) -> Remainder {
    let rest = Self.divide(x.significand, y.significand, shift: count).remainder
    let value = rebuild(rest, exponent: y.exponent &+ distance &- count, sign: x.sign)
    return Remainder(value: value, quotient: 0, isComplete: false)
  }

  private mutating func complete(
    _ x: UnpackedFloat, _ y: UnpackedFloat, _ distance: Int32, ieee: Bool
  ) -> Remainder {
    if distance < -1 || (distance == -1 && !ieee) {
      return Remainder(value: exact(x), quotient: 0, isComplete: true)
    }
    // In units of half of y's last place, so that x one exponent below still is whole.
    let dividend = distance == -1 ? UInt128(x.significand) : UInt128(x.significand) &<< UInt128(distance &+ 1)
    let divisor = UInt128(y.significand) &<< 1
    var quotient = UInt64(truncatingIfNeeded: dividend / divisor)
    var rest = dividend % divisor
    var sign = x.sign
    let twice = rest &<< 1
    if ieee && (twice > divisor || (twice == divisor && quotient & 1 != 0)) {
      rest = divisor &- rest
      quotient &+= 1
      sign.toggle()
    }
    if rest == 0 { return Remainder(value: .zero(sign: x.sign), quotient: quotient, isComplete: true) }
    let value = WideFloat(sign: sign, exponent: y.exponent &+ 63, normalizing: rest)
    return Remainder(value: Extended(round(value, to: .extended)), quotient: quotient, isComplete: true)
  }

  private mutating func rebuild(_ rest: UInt64, exponent: Int32, sign: Bool) -> Extended {
    if rest == 0 { return .zero(sign: sign) }
    return Extended(
      round(WideFloat(sign: sign, exponent: exponent, normalizing: UInt128(rest) &<< 64), to: .extended))
  }

  /// a · 2^shift divided by b, shift below 64.
  private static func divide(_ a: UInt64, _ b: UInt64, shift: Int32) -> (quotient: UInt64, remainder: UInt64) {
    let wide = UInt128(a) &<< UInt128(shift)
    return (UInt64(truncatingIfNeeded: wide / UInt128(b)), UInt64(truncatingIfNeeded: wide % UInt128(b)))
  }

  /// FSCALE: a · 2^⌊b⌋ (towards zero).
  mutating func scale(_ a: Extended, by b: Extended) -> Extended {
    let x = a.unpacked
    let y = b.unpacked
    if let result = screen(a, x, b, y) { return result }
    if y.isInfinite && (y.sign ? x.isInfinite : x.isZero) { return invalid() }
    noteDenormal(x, y)
    if isStopped { return .indefinite }
    if y.isInfinite { return y.sign ? .zero(sign: x.sign) : .infinity(sign: x.sign) }
    if x.kind != .finite { return a }
    let limit: Int32 = 0x10000
    var amount: Int32 = 0
    if y.kind == .finite && y.exponent >= 0 {
      amount = y.exponent > 15 ? limit : Int32(truncatingIfNeeded: y.significand &>> UInt64(63 &- y.exponent))
      if y.sign { amount = 0 &- amount }
    }
    var scaled = WideFloat(x)
    scaled.exponent &+= amount
    return Extended(round(scaled, to: .extended))
  }

  /// FXTRACT: the exponent as a number, and the significand with exponent zero.
  mutating func extract(_ a: Extended) -> (exponent: Extended, significand: Extended) {
    let x = a.unpacked
    if let result = screen(a, x) { return (result, result) }
    if x.isInfinite { return (.infinity(sign: false), a) }
    if x.isZero {
      raise(.zeroDivide)
      return (.infinity(sign: true), a)
    }
    noteDenormal(x)
    let significand = Extended(significand: x.significand, signExponent: x.sign ? 0xbfff : 0x3fff)
    return (Extended(Int64(x.exponent)), significand)
  }
}
