/// The SSE operations that come as PS, PD, SS and SD: two operands of one format to one.
enum FloatOperation: UInt8 {
  case squareRoot = 0x51
  case add = 0x58
  case multiply = 0x59
  case subtract = 0x5c
  case minimum = 0x5d
  case divide = 0x5e
  case maximum = 0x5f
  case compare = 0xc2

  /// One lane by integer arithmetic. `predicate` is of `compare`.
  @inline(never)
  func apply(
    _ a: UInt64, _ b: UInt64, predicate: UInt8, _ format: FloatingPointFormat, _ context: inout FloatingPointContext
  ) -> UInt64 {
    switch self {
    case .squareRoot: return context.squareRoot(b, format)
    case .add: return context.add(a, b, format)
    case .multiply: return context.multiply(a, b, format)
    case .subtract: return context.subtract(a, b, format)
    case .minimum: return context.select(a, b, maximum: false, format)
    case .divide: return context.divide(a, b, format)
    case .maximum: return context.select(a, b, maximum: true, format)
    case .compare:
      let isTrue = context.test(a, b, predicate: predicate, format)
      return isTrue ? format.signBit | (format.signBit &- 1) : 0
    }
  }

  /// One binary64 lane on the host, where that cannot be told from the integer arithmetic: operands that are normal or
  /// zero, a result that is normal (or the zero of a sum).
  @inline(__always)
  func onHost(_ a: UInt64, _ b: UInt64) -> UInt64? {
    let (x, y) = (Double(bitPattern: a), Double(bitPattern: b))
    guard isPlain(y), self == .squareRoot || isPlain(x) else { return nil }
    let result: Double
    switch self {
    case .squareRoot: result = y.squareRoot()
    case .add: result = x + y
    case .multiply: result = x * y
    case .subtract: result = x - y
    case .divide: result = x / y
    default: return nil
    }
    return isSafe(result) ? result.bitPattern : nil
  }

  @inline(__always)
  func onHostSingle(_ a: UInt64, _ b: UInt64) -> UInt64? {
    let x = Float(bitPattern: UInt32(truncatingIfNeeded: a))
    let y = Float(bitPattern: UInt32(truncatingIfNeeded: b))
    guard isPlain(y), self == .squareRoot || isPlain(x) else { return nil }
    let result: Float
    switch self {
    case .squareRoot: result = y.squareRoot()
    case .add: result = x + y
    case .multiply: result = x * y
    case .subtract: result = x - y
    case .divide: result = x / y
    default: return nil
    }
    return isSafe(result) ? UInt64(result.bitPattern) : nil
  }

  @inline(__always) private func isPlain<T: BinaryFloatingPoint>(_ x: T) -> Bool {
    x.magnitude >= T.leastNormalMagnitude && x.magnitude <= T.greatestFiniteMagnitude || x == 0
  }

  /// The least normal itself is left out: a tiny value may have been rounded up to it.
  @inline(__always) private func isSafe<T: BinaryFloatingPoint>(_ x: T) -> Bool {
    x.magnitude > T.leastNormalMagnitude && x.magnitude <= T.greatestFiniteMagnitude
  }
}
