import Support

@testable internal import X86

/// Operands for floating-point tests: special values, boundaries, neighbours of each other, and noise.
extension SeededRandom {
  /// Few bits set, few clear, a run of ones, or noise.
  mutating func significand() -> UInt64 {
    switch below(8) {
    case 0: return 0
    case 1: return 1 << UInt64(below(64))
    case 2: return ~(1 << UInt64(below(64)))
    case 3: return ~0 << UInt64(below(64))
    case 4: return ~0 >> UInt64(below(64))
    case 5: return next() & ~0 << UInt64(below(64))
    default: return next()
    }
  }

  mutating func extended() -> Extended {
    let fields: [UInt16] = [0, 0, 1, 2, 0x3ffe, 0x3fff, 0x4000, 0x7ffd, 0x7ffe, 0x7fff, 0x7fff]
    var field: UInt16
    switch below(8) {
    case 0, 1: field = pick(fields)
    case 2: field = 0x3fff &+ UInt16(below(140)) &- 70
    case 3: field = UInt16(below(70))
    case 4: field = 0x7ffe - UInt16(below(70))
    case 5: field = 0x3c01 &+ UInt16(below(140)) &- 70
    case 6: field = 0x3f81 &+ UInt16(below(60)) &- 30
    default: field = UInt16(truncatingIfNeeded: next()) & 0x7fff
    }
    var bits = significand()
    if field != 0 && !oneIn(40) { bits |= 1 << 63 }
    if field == 0 && !oneIn(10) { bits &= ~(1 << 63) }
    if field == 0x7fff && oneIn(2) { bits = 1 << 63 }
    if oneIn(20) { (field, bits) = (0, 0) }
    return Extended(significand: bits, signExponent: field | (oneIn(2) ? 0x8000 : 0))
  }

  /// A second operand that is often close to the first, so that sums cancel and comparisons tie.
  mutating func companion(of a: Extended) -> Extended {
    guard oneIn(4) else { return extended() }
    let nudge = UInt64(bitPattern: Int64(below(5)) - 2)
    let shift = UInt16(truncatingIfNeeded: below(5)) &- 2
    return Extended(
      significand: a.significand &+ nudge,
      signExponent: (a.signExponent &+ (oneIn(2) ? shift : 0)) ^ (oneIn(2) ? 0x8000 : 0))
  }

  /// Bits of a binary32 or binary64 value.
  mutating func bits(_ format: FloatingPointFormat) -> UInt64 {
    let width = format.fractionBits
    let fieldMask = format.infinity >> width
    let bias = UInt64(format.maximumExponent)
    var field: UInt64
    switch below(6) {
    case 0: field = pick([0, 0, 1, 2, bias - 1, bias, bias + 1, fieldMask - 1, fieldMask, fieldMask])
    case 1: field = bias &+ UInt64(below(60)) &- 30
    case 2: field = UInt64(below(30))
    case 3: field = fieldMask - UInt64(below(30))
    default: field = next()
    }
    field &= fieldMask
    var fraction = significand() & ((1 << width) - 1)
    if oneIn(4) { fraction = 0 }
    if oneIn(12) { (field, fraction) = (0, 0) }
    return field << width | fraction | (oneIn(2) ? format.signBit : 0)
  }

  mutating func companion(of a: UInt64, _ format: FloatingPointFormat) -> UInt64 {
    guard oneIn(4) else { return bits(format) }
    let nudge = UInt64(bitPattern: Int64(below(5)) - 2)
    return ((a &+ nudge) & (format.signBit | (format.signBit - 1))) ^ (oneIn(2) ? format.signBit : 0)
  }
}
