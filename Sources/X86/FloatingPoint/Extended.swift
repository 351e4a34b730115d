/// An x87 register: the 80-bit double extended format (Intel SDM vol. 1, 4.2.2).
struct Extended: Equatable {
  var significand: UInt64
  var signExponent: UInt16

  static let quietBit: UInt64 = 1 << 62
  static let integerBit: UInt64 = 1 << 63

  @inline(__always) static var indefinite: Self { Self(significand: 0xc000_0000_0000_0000, signExponent: 0xffff) }
  @inline(__always) static var one: Self { Self(significand: 1 << 63, signExponent: 0x3fff) }

  @inline(__always) static func zero(sign: Bool) -> Self { Self(significand: 0, signExponent: sign ? 0x8000 : 0) }
  @inline(__always) static func infinity(sign: Bool) -> Self {
    Self(significand: 1 << 63, signExponent: sign ? 0xffff : 0x7fff)
  }

  @inline(__always) var sign: Bool { signExponent & 0x8000 != 0 }
  @inline(__always) var exponentField: UInt16 { signExponent & 0x7fff }
  @inline(__always) var negated: Self { Self(significand: significand, signExponent: signExponent ^ 0x8000) }
  @inline(__always) var magnitude: Self { Self(significand: significand, signExponent: signExponent & 0x7fff) }
  @inline(__always) var quieted: Self { Self(significand: significand | Self.quietBit, signExponent: signExponent) }

  var unpacked: UnpackedFloat {
    let field = exponentField
    if field == 0x7fff {
      if significand == 1 << 63 { return UnpackedFloat(kind: .infinity, sign: sign) }
      if significand >> 63 == 0 { return UnpackedFloat(kind: .unsupported, sign: sign) }
      let kind: UnpackedFloat.Kind = significand & Self.quietBit != 0 ? .quietNaN : .signalingNaN
      return UnpackedFloat(kind: kind, sign: sign, significand: significand)
    }
    if field != 0 {
      if significand >> 63 == 0 { return UnpackedFloat(kind: .unsupported, sign: sign) }
      return UnpackedFloat(kind: .finite, sign: sign, exponent: Int32(field) &- 16383, significand: significand)
    }
    if significand == 0 { return UnpackedFloat(kind: .zero, sign: sign) }
    let shift = significand.leadingZeroBitCount
    return UnpackedFloat(
      kind: .finite, sign: sign, exponent: -16382 &- Int32(shift), significand: significand &<< UInt64(shift),
      isDenormal: true)
  }

  @inline(__always)
  init(significand: UInt64, signExponent: UInt16) {
    self.significand = significand
    self.signExponent = signExponent
  }

  @inline(__always)
  init(_ value: RoundedFloat) {
    let sign: UInt16 = value.sign ? 0x8000 : 0
    if value.isInfinite {
      self = .infinity(sign: value.sign)
    } else if value.significand >> 63 == 0 {
      self.init(significand: value.significand, signExponent: sign)
    } else {
      let field = UInt16(truncatingIfNeeded: value.exponent &+ 16383) & 0x7fff
      self.init(significand: value.significand, signExponent: sign | field)
    }
  }

  /// A NaN taken apart from any format, as it is.
  @inline(__always)
  init(nan value: UnpackedFloat) {
    self.init(significand: value.significand, signExponent: value.sign ? 0xffff : 0x7fff)
  }

  /// A finite value that the format holds exactly.
  init(exactly value: UnpackedFloat) {
    switch value.kind {
    case .zero: self = .zero(sign: value.sign)
    case .infinity: self = .infinity(sign: value.sign)
    case .finite:
      let rounded = RoundedFloat(sign: value.sign, exponent: value.exponent, significand: value.significand)
      self.init(rounded)
    case .quietNaN, .signalingNaN, .unsupported: self.init(nan: value)
    }
  }

  /// An integer, which the format always holds exactly.
  init(_ integer: Int64) {
    let magnitude = integer.magnitude
    guard magnitude != 0 else {
      self = .zero(sign: false)
      return
    }
    let shift = magnitude.leadingZeroBitCount
    let field = UInt16(truncatingIfNeeded: 16383 + 63 - shift)
    self.init(significand: magnitude &<< UInt64(shift), signExponent: field | (integer < 0 ? 0x8000 : 0))
  }
}
