// MXCSR, and how SSE reports floating-point exceptions (Intel SDM vol. 1, 11.5).
extension CPU {
  /// What SSE arithmetic runs under, by MXCSR.
  var vectorContext: FloatingPointContext {
    let word = s[Slot.mxcsr]
    var context = FloatingPointContext()
    context.rounding = RoundingMode(rawValue: UInt8(truncatingIfNeeded: word >> 13 & 3)).unsafelyUnwrapped
    context.masked = FloatingPointExceptions(rawValue: UInt8(truncatingIfNeeded: word >> 7 & 63))
    context.flushToZero = word & MXCSR.flushToZero != 0
    context.denormalsAreZero = word & MXCSR.denormalsAreZero != 0
    return context
  }

  /// Adds what was raised to MXCSR. False, with #XM raised (#UD where the system does not take it), when any of it is
  /// not masked: the instruction then writes no register.
  @inline(__always)
  func report(_ context: FloatingPointContext) -> Bool {
    s[Slot.mxcsr] |= UInt64(context.raised.rawValue)
    return context.hasUnmasked ? raiseVectorException() : true
  }

  @inline(never)
  private func raiseVectorException() -> Bool {
    cr4 & CR4.osxmmexcpt != 0 ? raise(ExceptionVector.simdFloatingPoint) : raiseUndefined()
  }

  /// Default rounding, and an inexact result would change nothing: the host's own arithmetic may be used on normal
  /// operands with a normal result.
  @inline(__always) var mayUseHostArithmetic: Bool {
    s[Slot.mxcsr] & (MXCSR.rounding | MXCSR.precisionMask | MXCSR.precision) == MXCSR.precisionMask | MXCSR.precision
  }
}

/// The bits of MXCSR (Intel SDM vol. 1, 10.2.3).
enum MXCSR {
  /// Behind a reset, and what the ABI has functions entered with: all exceptions masked, rounding to nearest.
  static var initial: UInt64 { 0x1f80 }
  /// The masks of all exceptions.
  static var masks: UInt64 { 0x1f80 }
  static var precision: UInt64 { 1 << 5 }
  static var denormalsAreZero: UInt64 { 1 << 6 }
  static var precisionMask: UInt64 { 1 << 12 }
  static var rounding: UInt64 { 3 << 13 }
  static var flushToZero: UInt64 { 1 << 15 }
  /// MM: memory operands of arithmetic need not be aligned (AMD APM vol. 1, 4.4.2).
  static var misaligned: UInt64 { 1 << 17 }
}
