/// The packed integer operations of MMX and SSE2: two registers to one.
enum Packed {
  /// By the opcode after 0F.
  static func binary(_ opcode: UInt8, _ a: V128, _ b: V128) -> V128 {
    switch opcode {
    case 0x60...0x62, 0x6c: return unpackLow(opcode, a, b)
    case 0x68...0x6a, 0x6d: return unpackHigh(opcode, a, b)
    case 0x63, 0x67, 0x6b: return pack(opcode, a, b)
    default: return lanewise(opcode, a, b)
    }
  }

  /// The same on 64 bits. What mixes lanes is done on both operands side by side.
  static func binaryMMX(_ opcode: UInt8, _ a: UInt64, _ b: UInt64) -> UInt64 {
    switch opcode {
    case 0x60...0x62: return unpackLow(opcode, V128(low: a), V128(low: b)).low
    case 0x68...0x6a: return unpackLow(opcode &- 8, V128(low: a), V128(low: b)).high
    case 0x63, 0x67, 0x6b: return pack(opcode, V128(a, b), V128(0, 0)).low
    default: return lanewise(opcode, V128(low: a), V128(low: b)).low
    }
  }

  // MARK: Between lanes

  /// PUNPCKLBW, WD, DQ, QDQ.
  private static func unpackLow(_ opcode: UInt8, _ a: V128, _ b: V128) -> V128 {
    switch opcode {
    case 0x60: return interleave(a.u8.lowHalf, b.u8.lowHalf)
    case 0x61:
      let (x, y) = (a.u16, b.u16)
      return v128(SIMD8<UInt16>(x[0], y[0], x[1], y[1], x[2], y[2], x[3], y[3]))
    case 0x62:
      let (x, y) = (a.u32, b.u32)
      return v128(SIMD4<UInt32>(x[0], y[0], x[1], y[1]))
    default: return V128(a.low, b.low)
    }
  }

  private static func unpackHigh(_ opcode: UInt8, _ a: V128, _ b: V128) -> V128 {
    opcode == 0x6d ? V128(a.high, b.high) : unpackLow(opcode &- 8, V128(low: a.high), V128(low: b.high))
  }

  private static func interleave(_ x: SIMD8<UInt8>, _ y: SIMD8<UInt8>) -> V128 {
    var result = SIMD16<UInt8>()
    result.evenHalf = x
    result.oddHalf = y
    return v128(result)
  }

  /// PACKSSWB, PACKUSWB, PACKSSDW.
  private static func pack(_ opcode: UInt8, _ a: V128, _ b: V128) -> V128 {
    switch opcode {
    case 0x63:
      let (x, y) = (saturate8(a.i16), saturate8(b.i16))
      return v128(SIMD16<Int8>(lowHalf: x, highHalf: y))
    case 0x67:
      let (x, y) = (saturateUnsigned8(a.i16), saturateUnsigned8(b.i16))
      return v128(SIMD16<UInt8>(lowHalf: x, highHalf: y))
    default:
      let (x, y) = (saturate16(a.i32), saturate16(b.i32))
      return v128(SIMD8<Int16>(lowHalf: x, highHalf: y))
    }
  }

  @inline(__always) private static func saturate8(_ a: SIMD8<Int16>) -> SIMD8<Int8> {
    SIMD8<Int8>(truncatingIfNeeded: a.clamped(lowerBound: .init(repeating: -128), upperBound: .init(repeating: 127)))
  }
  @inline(__always) private static func saturateUnsigned8(_ a: SIMD8<Int16>) -> SIMD8<UInt8> {
    SIMD8<UInt8>(truncatingIfNeeded: a.clamped(lowerBound: .init(repeating: 0), upperBound: .init(repeating: 255)))
  }
  @inline(__always) private static func saturate16(_ a: SIMD4<Int32>) -> SIMD4<Int16> {
    SIMD4<Int16>(
      truncatingIfNeeded: a.clamped(lowerBound: .init(repeating: -32768), upperBound: .init(repeating: 32767)))
  }

  // MARK: Lane by lane

  private static func lanewise(_ opcode: UInt8, _ a: V128, _ b: V128) -> V128 {
    switch opcode {
    case 0x64: return v128(SIMD16<Int8>.ones(a.i8 .> b.i8))
    case 0x65: return v128(SIMD8<Int16>.ones(a.i16 .> b.i16))
    case 0x66: return v128(SIMD4<Int32>.ones(a.i32 .> b.i32))
    case 0x74: return v128(SIMD16<UInt8>.ones(a.u8 .== b.u8))
    case 0x75: return v128(SIMD8<UInt16>.ones(a.u16 .== b.u16))
    case 0x76: return v128(SIMD4<UInt32>.ones(a.u32 .== b.u32))
    case 0xd4: return a &+ b
    case 0xdb: return a & b
    case 0xdf: return ~a & b
    case 0xeb: return a | b
    case 0xef: return a ^ b
    case 0xda: return v128(pointwiseMin(a.u8, b.u8))
    case 0xde: return v128(pointwiseMax(a.u8, b.u8))
    case 0xea: return v128(pointwiseMin(a.i16, b.i16))
    case 0xee: return v128(pointwiseMax(a.i16, b.i16))
    case 0xf8: return v128(a.u8 &- b.u8)
    case 0xf9: return v128(a.u16 &- b.u16)
    case 0xfa: return v128(a.u32 &- b.u32)
    case 0xfb: return a &- b
    case 0xfc: return v128(a.u8 &+ b.u8)
    case 0xfd: return v128(a.u16 &+ b.u16)
    case 0xfe: return v128(a.u32 &+ b.u32)
    case 0xd1...0xd3, 0xe1, 0xe2, 0xf1...0xf3: return shift(opcode, a, count: b.low)
    case 0xd5, 0xe4, 0xe5, 0xf4, 0xf5, 0xf6: return multiply(opcode, a, b)
    default: return saturating(opcode, a, b)
    }
  }

  /// PADDS, PADDUS, PSUBS, PSUBUS, PAVG.
  private static func saturating(_ opcode: UInt8, _ a: V128, _ b: V128) -> V128 {
    switch opcode {
    case 0xd8: return v128((a.u8 &- b.u8).replacing(with: 0, where: a.u8 .< b.u8))
    case 0xd9: return v128((a.u16 &- b.u16).replacing(with: 0, where: a.u16 .< b.u16))
    case 0xdc:
      let sum = a.u8 &+ b.u8
      return v128(sum.replacing(with: 255, where: sum .< a.u8))
    case 0xdd:
      let sum = a.u16 &+ b.u16
      return v128(sum.replacing(with: 0xffff, where: sum .< a.u16))
    case 0xe8:
      let value = a.i8 &- b.i8
      return v128(value.replacing(with: (a.i8 &>> 7) ^ 127, where: ((a.i8 ^ b.i8) & (a.i8 ^ value)) .< 0))
    case 0xe9:
      let value = a.i16 &- b.i16
      return v128(value.replacing(with: (a.i16 &>> 15) ^ 32767, where: ((a.i16 ^ b.i16) & (a.i16 ^ value)) .< 0))
    case 0xec:
      let value = a.i8 &+ b.i8
      return v128(value.replacing(with: (a.i8 &>> 7) ^ 127, where: ((a.i8 ^ value) & (b.i8 ^ value)) .< 0))
    case 0xed:
      let value = a.i16 &+ b.i16
      return v128(value.replacing(with: (a.i16 &>> 15) ^ 32767, where: ((a.i16 ^ value) & (b.i16 ^ value)) .< 0))
    case 0xe0: return v128((a.u8 | b.u8) &- ((a.u8 ^ b.u8) &>> 1))
    default: return v128((a.u16 | b.u16) &- ((a.u16 ^ b.u16) &>> 1))
    }
  }

  /// PMULLW, PMULHUW, PMULHW, PMULUDQ, PMADDWD, PSADBW.
  private static func multiply(_ opcode: UInt8, _ a: V128, _ b: V128) -> V128 {
    switch opcode {
    case 0xd5: return v128(a.u16 &* b.u16)
    case 0xe4:
      let product = SIMD8<UInt32>(truncatingIfNeeded: a.u16) &* SIMD8<UInt32>(truncatingIfNeeded: b.u16)
      return v128(SIMD8<UInt16>(truncatingIfNeeded: product &>> 16))
    case 0xe5:
      let product = SIMD8<Int32>(truncatingIfNeeded: a.i16) &* SIMD8<Int32>(truncatingIfNeeded: b.i16)
      return v128(SIMD8<Int16>(truncatingIfNeeded: product &>> 16))
    case 0xf4: return (a & 0xffff_ffff) &* (b & 0xffff_ffff)
    case 0xf5:
      let product = SIMD8<Int32>(truncatingIfNeeded: a.i16) &* SIMD8<Int32>(truncatingIfNeeded: b.i16)
      return v128(product.evenHalf &+ product.oddHalf)
    default:
      let difference = pointwiseMax(a.u8, b.u8) &- pointwiseMin(a.u8, b.u8)
      let wide = SIMD16<UInt16>(truncatingIfNeeded: difference)
      return V128(UInt64(wide.lowHalf.wrappedSum()), UInt64(wide.highHalf.wrappedSum()))
    }
  }

  // MARK: Shifts

  /// PSRLW … PSLLQ by a count; one that reaches the lane's width clears it, or fills it with the sign.
  static func shift(_ opcode: UInt8, _ a: V128, count: UInt64) -> V128 {
    let small = UInt16(truncatingIfNeeded: min(count, 64))
    switch opcode {
    case 0xd1: return small > 15 ? V128() : v128(a.u16 &>> small)
    case 0xd2: return small > 31 ? V128() : v128(a.u32 &>> UInt32(small))
    case 0xd3: return small > 63 ? V128() : a &>> UInt64(small)
    case 0xe1: return v128(a.i16 &>> Int16(min(small, 15)))
    case 0xe2: return v128(a.i32 &>> Int32(min(small, 31)))
    case 0xf1: return small > 15 ? V128() : v128(a.u16 &<< small)
    case 0xf2: return small > 31 ? V128() : v128(a.u32 &<< UInt32(small))
    default: return small > 63 ? V128() : a &<< UInt64(small)
    }
  }

  /// PSRLDQ and PSLLDQ.
  static func shiftBytes(_ a: V128, _ count: UInt64, left: Bool) -> V128 {
    if count > 15 { return V128() }
    let wide = UInt128(a.high) &<< 64 | UInt128(a.low)
    let shifted = left ? wide &<< UInt128(8 &* count) : wide &>> UInt128(8 &* count)
    return V128(UInt64(truncatingIfNeeded: shifted), UInt64(truncatingIfNeeded: shifted &>> 64))
  }
}
