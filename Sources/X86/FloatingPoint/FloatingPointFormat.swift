/// A binary floating-point format: exponents are those of a significand 1.x, unbiased.
struct FloatingPointFormat {
  /// Bits of significand, the integer bit included.
  var precision: Int32
  var minimumExponent: Int32
  var maximumExponent: Int32
  /// What the exponent of an x87 result is moved by when its overflow or underflow is not masked.
  var wrap: Int32

  @inline(__always) static var single: Self {
    Self(precision: 24, minimumExponent: -126, maximumExponent: 127, wrap: 192)
  }
  @inline(__always) static var double: Self {
    Self(precision: 53, minimumExponent: -1022, maximumExponent: 1023, wrap: 1536)
  }
  @inline(__always) static var extended: Self {
    Self(precision: 64, minimumExponent: -16382, maximumExponent: 16383, wrap: 24576)
  }
  /// An x87 register under precision control: extended range, fewer bits.
  @inline(__always) static func extended(precision: Int32) -> Self {
    Self(precision: precision, minimumExponent: -16382, maximumExponent: 16383, wrap: 24576)
  }
}

/// A value taken apart. For finite values and NaNs the significand has its integer bit at bit 63 (a NaN's quiet bit is
/// bit 62); the value is significand / 2⁶³ · 2^exponent.
struct UnpackedFloat {
  enum Kind: UInt8 {
    case zero, finite, infinity, quietNaN, signalingNaN
    /// An encoding of the extended format that the 387 and later refuse.
    case unsupported
  }
  var kind: Kind
  var sign: Bool
  var exponent: Int32 = 0
  var significand: UInt64 = 0
  /// The operand was denormal (or pseudo-denormal).
  var isDenormal = false

  @inline(__always) var isNaN: Bool { kind == .quietNaN || kind == .signalingNaN }
  @inline(__always) var isZero: Bool { kind == .zero }
  @inline(__always) var isInfinite: Bool { kind == .infinity }
}

/// An exact or sticky intermediate result that is not zero: 128 bits of significand with bit 127 set, of which the last
/// also stands for anything below it.
struct WideFloat {
  var sign: Bool
  var exponent: Int32
  var significand: UInt128

  /// Normalises `significand`, which must not be zero; the value is significand / 2¹²⁷ · 2^exponent.
  @inline(__always)
  init(sign: Bool, exponent: Int32, normalizing significand: UInt128) {
    let shift = significand.leadingZeroBitCount
    self.sign = sign
    self.exponent = exponent &- Int32(truncatingIfNeeded: shift)
    self.significand = significand &<< UInt128(shift)
  }

  @inline(__always)
  init(_ value: UnpackedFloat) {
    sign = value.sign
    exponent = value.exponent
    significand = UInt128(value.significand) &<< 64
  }
}

extension UInt128 {
  /// Shifted right by any count, with what falls out collected in the last bit.
  @inline(__always)
  func shiftedRightJamming(_ count: Int32) -> UInt128 {
    if count <= 0 { return self }
    if count >= 128 { return self == 0 ? 0 : 1 }
    let lost = self &<< UInt128(128 &- count)
    return (self &>> UInt128(count)) | (lost != 0 ? 1 : 0)
  }
}
