// FSIN, FCOS, FSINCOS, FPTAN. The argument is reduced by the 66 bits of π that x87 processors use, AMD's and Intel's
// alike.
extension FloatingPointContext {
  /// An argument from 0 to π/4, and the eighth of the circle that it was taken from.
  struct ReducedAngle {
    var value: WideFloat
    /// Quarter turns, to be added to the sign and kind of function.
    var quarters: Int
    var sign: Bool
  }

  /// Arguments from 2⁶³ on are out of range: nothing happens but C2.
  static func isOutOfRange(_ x: UnpackedFloat) -> Bool { x.kind == .finite && x.exponent >= 63 }

  /// |x| as `quarters` · π/2 + `value`, `value` within ±π/4.
  static func reduce(_ x: UnpackedFloat) -> ReducedAngle {
    var magnitude = WideFloat(x)
    magnitude.sign = false
    guard x.exponent >= -1 else { return ReducedAngle(value: magnitude, quarters: 0, sign: x.sign) }
    // In units of 2⁻⁶⁵, of which π/2 has these.
    let halfPi: UInt128 = 0x3_243f_6a88_85a3_08d3
    var rest = UInt128(x.significand)
    var quarters = 0
    rest = rest &<< 1
    quarters = Int(truncatingIfNeeded: rest / halfPi)
    rest %= halfPi
    for _ in 0..<(x.exponent &+ 1) {
      rest = rest &<< 1
      quarters = quarters &* 2
      if rest >= halfPi {
        rest &-= halfPi
        quarters &+= 1
      }
      quarters &= 7
    }
    var isNegative = false
    if rest &<< 1 > halfPi {
      rest = halfPi &- rest
      quarters &+= 1
      isNegative = true
    }
    let value = rest == 0 ? WideFloat.zero : WideFloat(sign: isNegative, exponent: 127 - 65, normalizing: rest)
    return ReducedAngle(value: value, quarters: quarters & 3, sign: x.sign)
  }

  private static func sine(_ angle: ReducedAngle, turned: Int) -> WideFloat {
    let quarter = (angle.quarters &+ turned) & 3
    var result: WideFloat
    if quarter & 1 == 0 {
      result = angle.value.exponent < -60 ? angle.value.nudgedDown : Series.sine(angle.value)
    } else {
      result = angle.value.exponent < -66 ? WideFloat.one.nudgedDown : Series.cosine(angle.value)
    }
    if quarter & 2 != 0 { result.sign.toggle() }
    return result.nudgedUp
  }

  private mutating func rounded(_ value: WideFloat) -> Extended { Extended(round(value, to: .extended)) }

  /// Specials of the four: nil when the operand is to be reduced.
  private mutating func special(_ a: Extended, _ x: UnpackedFloat, atZero: Extended) -> Extended? {
    if let result = screen(a, x) { return result }
    if x.isInfinite { return invalid() }
    if x.isZero { return atZero }
    noteDenormal(x)
    return isStopped ? .indefinite : nil
  }

  mutating func sine(_ a: Extended) -> Extended {
    let x = a.unpacked
    if let result = special(a, x, atZero: a) { return result }
    let angle = Self.reduce(x)
    var result = Self.sine(angle, turned: 0)
    if angle.sign { result.sign.toggle() }
    return rounded(result)
  }

  mutating func cosine(_ a: Extended) -> Extended {
    let x = a.unpacked
    if let result = special(a, x, atZero: .one) { return result }
    return rounded(Self.sine(Self.reduce(x), turned: 1))
  }

  mutating func tangent(_ a: Extended) -> Extended {
    let x = a.unpacked
    if let result = special(a, x, atZero: a) { return result }
    let angle = Self.reduce(x)
    var result = angle.value
    if angle.quarters & 1 == 0 && angle.value.exponent < -60 {
      result = result.nudgedUp
    } else {
      result = (Self.sine(angle, turned: 0) / Self.sine(angle, turned: 1)).nudgedUp
    }
    if angle.sign { result.sign.toggle() }
    return rounded(result)
  }
}
