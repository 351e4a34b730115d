/// Rounding control as FCW bits 11:10 and MXCSR bits 14:13 encode it (Intel SDM vol. 1, table 4-8).
enum RoundingMode: UInt8 {
  case nearestEven = 0
  case down = 1
  case up = 2
  case towardZero = 3
}

/// Floating-point exceptions in the order that FSW, FCW and MXCSR share.
struct FloatingPointExceptions: OptionSet {
  let rawValue: UInt8

  static let invalid = Self(rawValue: 1)
  static let denormal = Self(rawValue: 2)
  static let zeroDivide = Self(rawValue: 4)
  static let overflow = Self(rawValue: 8)
  static let underflow = Self(rawValue: 16)
  static let precision = Self(rawValue: 32)
  static let all = Self(rawValue: 63)
  /// Those found before the result is computed: unmasked, they leave the destination as it was.
  static let beforeResult = Self(rawValue: 7)
}

/// What an operation runs under, and what it reports: the x87 or SSE environment without the registers.
struct FloatingPointContext {
  var rounding = RoundingMode.nearestEven
  /// x87 precision control: bits of significand that arithmetic keeps (24, 53 or 64).
  var precision: Int32 = 64
  var masked = FloatingPointExceptions.all
  /// MXCSR.FZ: a tiny result becomes zero where underflow is masked.
  var flushToZero = false
  /// MXCSR.DAZ: denormal operands count as zero and raise nothing.
  var denormalsAreZero = false
  /// Exceptions raised so far, masked or not.
  var raised: FloatingPointExceptions = []
  /// The last result was rounded away from zero (C1 of the x87).
  var roundedUp = false

  /// An unmasked exception was found before the result was computed: there is no result.
  var isStopped: Bool { !raised.subtracting(masked).intersection(.beforeResult).isEmpty }

  mutating func raise(_ exceptions: FloatingPointExceptions) { raised.formUnion(exceptions) }

  /// An unmasked exception among `raised`.
  var hasUnmasked: Bool { !raised.subtracting(masked).isEmpty }

  /// Whether rounding a value of this sign takes it to the next magnitude; `fraction` is the part cut off, in units of
  /// 2⁻⁶⁴ of the last place kept (with a sticky last bit), `odd` the last bit kept.
  @inline(__always)
  func increments(sign: Bool, fraction: UInt64, odd: Bool) -> Bool {
    switch rounding {
    case .nearestEven: fraction > 1 << 63 || (fraction == 1 << 63 && odd)
    case .down: sign && fraction != 0
    case .up: !sign && fraction != 0
    case .towardZero: false
    }
  }
}
