/// The x87's basic arithmetic (Intel SDM vol. 1, 8.3 and tables 4-7, 8-10).
extension FloatingPointContext {
  /// Operands looked at: nil when the operation goes on with them, else its result.
  @inline(__always)
  mutating func screen(_ a: Extended, _ x: UnpackedFloat, _ b: Extended, _ y: UnpackedFloat) -> Extended? {
    if x.kind.rawValue <= UnpackedFloat.Kind.infinity.rawValue
      && y.kind.rawValue <= UnpackedFloat.Kind.infinity.rawValue
    {
      return nil
    }
    return propagate(a, x, b, y)
  }

  /// The result of an operation of which an operand is a NaN or unsupported: the NaN with the larger significand.
  @inline(never)
  private mutating func propagate(_ a: Extended, _ x: UnpackedFloat, _ b: Extended, _ y: UnpackedFloat) -> Extended {
    if x.kind == .unsupported || y.kind == .unsupported { return invalid() }
    if x.kind == .signalingNaN || y.kind == .signalingNaN { raise(.invalid) }
    guard x.isNaN && y.isNaN else { return x.isNaN ? a.quieted : b.quieted }
    if x.kind != y.kind { return x.kind == .quietNaN ? a : b }
    if a.significand != b.significand { return a.significand > b.significand ? a.quieted : b.quieted }
    return a.sign ? b.quieted : a.quieted
  }

  mutating func invalid() -> Extended {
    raise(.invalid)
    return .indefinite
  }

  /// The same for one operand.
  @inline(__always)
  mutating func screen(_ a: Extended, _ x: UnpackedFloat) -> Extended? {
    switch x.kind {
    case .zero, .finite, .infinity: return nil
    case .quietNaN: return a
    case .signalingNaN:
      raise(.invalid)
      return a.quieted
    case .unsupported: return invalid()
    }
  }

  @inline(__always)
  mutating func noteDenormal(_ x: UnpackedFloat) { if x.isDenormal { raise(.denormal) } }

  @inline(__always)
  mutating func noteDenormal(_ x: UnpackedFloat, _ y: UnpackedFloat) {
    if x.isDenormal || y.isDenormal { raise(.denormal) }
  }

  /// Rounds to the precision that the control word asks for.
  mutating func extended(_ value: WideFloat) -> Extended {
    Extended(round(value, to: .extended(precision: precision)))
  }

  mutating func add(_ a: Extended, _ b: Extended) -> Extended {
    let x = a.unpacked
    let y = b.unpacked
    if let result = screen(a, x, b, y) { return result }
    return sum(x, y)
  }

  mutating func subtract(_ a: Extended, _ b: Extended) -> Extended {
    let x = a.unpacked
    var y = b.unpacked
    if let result = screen(a, x, b, y) { return result }
    y.sign.toggle()
    return sum(x, y)
  }

  private mutating func sum(_ x: UnpackedFloat, _ y: UnpackedFloat) -> Extended {
    if x.isInfinite && y.isInfinite && x.sign != y.sign { return invalid() }
    noteDenormal(x, y)
    if isStopped { return .indefinite }
    if x.isInfinite || y.isInfinite { return .infinity(sign: x.isInfinite ? x.sign : y.sign) }
    if x.isZero && y.isZero { return .zero(sign: x.sign == y.sign ? x.sign : rounding == .down) }
    if x.isZero { return extended(WideFloat(y)) }
    if y.isZero { return extended(WideFloat(x)) }
    guard let sum = Arithmetic.sum(x, y) else { return .zero(sign: rounding == .down) }
    return extended(sum)
  }

  mutating func multiply(_ a: Extended, _ b: Extended) -> Extended {
    let x = a.unpacked
    let y = b.unpacked
    if let result = screen(a, x, b, y) { return result }
    if (x.isInfinite && y.isZero) || (x.isZero && y.isInfinite) { return invalid() }
    noteDenormal(x, y)
    if isStopped { return .indefinite }
    let sign = x.sign != y.sign
    if x.isInfinite || y.isInfinite { return .infinity(sign: sign) }
    if x.isZero || y.isZero { return .zero(sign: sign) }
    return extended(Arithmetic.product(x, y))
  }

  mutating func divide(_ a: Extended, by b: Extended) -> Extended {
    let x = a.unpacked
    let y = b.unpacked
    if let result = screen(a, x, b, y) { return result }
    if (x.isInfinite && y.isInfinite) || (x.isZero && y.isZero) { return invalid() }
    let sign = x.sign != y.sign
    if y.isZero && !x.isInfinite {
      raise(.zeroDivide)
      return .infinity(sign: sign)
    }
    noteDenormal(x, y)
    if isStopped { return .indefinite }
    if x.isInfinite { return .infinity(sign: sign) }
    if x.isZero || y.isInfinite { return .zero(sign: sign) }
    return extended(Arithmetic.quotient(x, y))
  }

  mutating func squareRoot(_ a: Extended) -> Extended {
    let x = a.unpacked
    if let result = screen(a, x) { return result }
    if x.isZero { return a }
    if x.sign { return invalid() }
    if x.isInfinite { return a }
    noteDenormal(x)
    if isStopped { return .indefinite }
    return extended(Arithmetic.squareRoot(x))
  }

  /// Compares; `quiet` as FUCOM does (a quiet NaN raises nothing).
  mutating func compare(_ a: Extended, _ b: Extended, quiet: Bool) -> FloatingPointOrder {
    let x = a.unpacked
    let y = b.unpacked
    if x.kind == .unsupported || y.kind == .unsupported {
      raise(.invalid)
      return .unordered
    }
    if x.isNaN || y.isNaN {
      if !quiet || x.kind == .signalingNaN || y.kind == .signalingNaN { raise(.invalid) }
      return .unordered
    }
    noteDenormal(x, y)
    return Arithmetic.compare(x, y)
  }
}
