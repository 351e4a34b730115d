/// SSE arithmetic on binary32 and binary64 bit patterns (Intel SDM vol. 1, 11.5 and table 4-7).
extension FloatingPointContext {
  /// An operand, with denormals taken as zero where MXCSR says so.
  @inline(__always)
  func operand(_ bits: UInt64, _ format: FloatingPointFormat) -> UnpackedFloat {
    let value = format.unpack(bits)
    if value.isDenormal && denormalsAreZero { return UnpackedFloat(kind: .zero, sign: value.sign) }
    return value
  }

  /// The result of an operation of which an operand is a NaN: the first one that is.
  @inline(__always)
  private mutating func screen(
    _ a: UInt64, _ x: UnpackedFloat, _ b: UInt64, _ y: UnpackedFloat, _ format: FloatingPointFormat
  ) -> UInt64? {
    guard x.isNaN || y.isNaN else { return nil }
    if x.kind == .signalingNaN || y.kind == .signalingNaN { raise(.invalid) }
    return (x.isNaN ? a : b) | format.quietBit
  }

  @inline(__always)
  private mutating func invalid(_ format: FloatingPointFormat) -> UInt64 {
    raise(.invalid)
    return format.indefinite
  }

  @inline(__always)
  private mutating func packed(_ value: WideFloat, _ format: FloatingPointFormat) -> UInt64 {
    format.pack(round(value, to: format))
  }

  mutating func add(_ a: UInt64, _ b: UInt64, _ format: FloatingPointFormat) -> UInt64 {
    let x = operand(a, format)
    let y = operand(b, format)
    if let result = screen(a, x, b, y, format) { return result }
    return sum(x, y, format)
  }

  mutating func subtract(_ a: UInt64, _ b: UInt64, _ format: FloatingPointFormat) -> UInt64 {
    let x = operand(a, format)
    var y = operand(b, format)
    if let result = screen(a, x, b, y, format) { return result }
    y.sign.toggle()
    return sum(x, y, format)
  }

  private mutating func sum(_ x: UnpackedFloat, _ y: UnpackedFloat, _ format: FloatingPointFormat) -> UInt64 {
    if x.isInfinite && y.isInfinite && x.sign != y.sign { return invalid(format) }
    noteDenormal(x, y)
    if x.isInfinite || y.isInfinite { return format.infinity(sign: x.isInfinite ? x.sign : y.sign) }
    if isStopped { return 0 }
    if x.isZero && y.isZero { return format.zero(sign: x.sign == y.sign ? x.sign : rounding == .down) }
    if x.isZero { return packed(WideFloat(y), format) }
    if y.isZero { return packed(WideFloat(x), format) }
    guard let sum = Arithmetic.sum(x, y) else { return format.zero(sign: rounding == .down) }
    return packed(sum, format)
  }

  mutating func multiply(_ a: UInt64, _ b: UInt64, _ format: FloatingPointFormat) -> UInt64 {
    let x = operand(a, format)
    let y = operand(b, format)
    if let result = screen(a, x, b, y, format) { return result }
    if (x.isInfinite && y.isZero) || (x.isZero && y.isInfinite) { return invalid(format) }
    noteDenormal(x, y)
    if isStopped { return 0 }
    let sign = x.sign != y.sign
    if x.isInfinite || y.isInfinite { return format.infinity(sign: sign) }
    if x.isZero || y.isZero { return format.zero(sign: sign) }
    return packed(Arithmetic.product(x, y), format)
  }

  mutating func divide(_ a: UInt64, _ b: UInt64, _ format: FloatingPointFormat) -> UInt64 {
    let x = operand(a, format)
    let y = operand(b, format)
    if let result = screen(a, x, b, y, format) { return result }
    if (x.isInfinite && y.isInfinite) || (x.isZero && y.isZero) { return invalid(format) }
    let sign = x.sign != y.sign
    if y.isZero && !x.isInfinite {
      raise(.zeroDivide)
      return format.infinity(sign: sign)
    }
    noteDenormal(x, y)
    if isStopped { return 0 }
    if x.isInfinite { return format.infinity(sign: sign) }
    if x.isZero || y.isInfinite { return format.zero(sign: sign) }
    return packed(Arithmetic.quotient(x, y), format)
  }

  mutating func squareRoot(_ a: UInt64, _ format: FloatingPointFormat) -> UInt64 {
    let x = operand(a, format)
    if let result = screen(a, x, a, x, format) { return result }
    if x.isZero { return format.zero(sign: x.sign) }
    if x.sign { return invalid(format) }
    if x.isInfinite { return a }
    noteDenormal(x)
    if isStopped { return 0 }
    return packed(Arithmetic.squareRoot(x), format)
  }

  /// MIN and MAX: the second operand unless the first is strictly less (greater).
  mutating func select(_ a: UInt64, _ b: UInt64, maximum: Bool, _ format: FloatingPointFormat) -> UInt64 {
    let x = operand(a, format)
    let y = operand(b, format)
    // What is chosen is the operand as DAZ leaves it.
    let first = x.isZero ? format.zero(sign: x.sign) : a
    let second = y.isZero ? format.zero(sign: y.sign) : b
    if x.isNaN || y.isNaN {
      raise(.invalid)
      return second
    }
    noteDenormal(x, y)
    return Arithmetic.compare(x, y) == (maximum ? .greater : .less) ? first : second
  }

  /// Compares; a quiet NaN raises invalid only where `signaling`.
  mutating func compare(
    _ a: UInt64, _ b: UInt64, signaling: Bool, _ format: FloatingPointFormat
  ) -> FloatingPointOrder {
    let x = operand(a, format)
    let y = operand(b, format)
    if x.isNaN || y.isNaN {
      if signaling || x.kind == .signalingNaN || y.kind == .signalingNaN { raise(.invalid) }
      return .unordered
    }
    noteDenormal(x, y)
    return Arithmetic.compare(x, y)
  }

  /// CMPPS and its kin: predicates 0 … 7 (Intel SDM vol. 2, CMPPD).
  mutating func test(_ a: UInt64, _ b: UInt64, predicate: UInt8, _ format: FloatingPointFormat) -> Bool {
    let order = compare(a, b, signaling: predicate & 3 == 1 || predicate & 3 == 2, format)
    let holds =
      switch predicate & 3 {
      case 0: order == .equal
      case 1: order == .less
      case 2: order == .less || order == .equal
      default: order == .unordered
      }
    return holds != (predicate & 4 != 0)
  }
}
