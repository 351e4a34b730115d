// The 0F 38 map: SSSE3 (also on MMX registers), SSE4.1, SSE4.2.
extension CPU {
  func execute38(_ op: Op) -> Bool {
    switch op.opcode {
    case 0x20...0x25, 0x30...0x35: return executeWiden(op)
    case 0x2a:
      guard let value = loadVector(op, aligned: true) else { return false }
      setXMM(op.regNumber, value)
      return true
    case 0x17: return executeTest128(op)
    default: break
    }
    if op.mandatoryPrefix == .none {
      guard let source = loadMMX(op) else { return false }
      setMMX(op.regNumber, Packed.supplementMMX(op.opcode, mmx(op.regNumber), source))
      return true
    }
    guard let source = loadVector(op) else { return false }
    let a = xmm(op.regNumber)
    switch op.opcode {
    case 0x10, 0x14, 0x15: setXMM(op.regNumber, Packed.blend(op.opcode, a, source, mask: xmm(0)))
    case 0x28, 0x29, 0x2b, 0x37...0x41: setXMM(op.regNumber, Packed.sse4(op.opcode, a, source))
    default: setXMM(op.regNumber, Packed.supplement(op.opcode, a, source))
    }
    return true
  }

  /// PTEST.
  private func executeTest128(_ op: Op) -> Bool {
    guard let b = loadVector(op) else { return false }
    let a = xmm(op.regNumber)
    statusFlags = ((a & b) == V128() ? RFlags.zf : 0) | ((~a & b) == V128() ? RFlags.cf : 0)
    return true
  }

  /// PMOVSX and PMOVZX: the operand is as short as its lanes need.
  private func executeWiden(_ op: Op) -> Bool {
    let row = op.opcode & 7
    let bits: UInt64
    switch row {
    case 0, 3, 5:
      guard let value = loadScalar(op, UInt64.self) else { return false }
      bits = value
    case 1, 4:
      guard let value = loadScalar(op, UInt32.self) else { return false }
      bits = UInt64(value)
    default:
      guard let value = loadScalar(op, UInt16.self) else { return false }
      bits = UInt64(value)
    }
    setXMM(op.regNumber, Packed.extend(row, bits, signed: op.opcode & 0x10 == 0))
    return true
  }
}

extension Packed {
  /// PMOVSXBW, BD, BQ, WD, WQ, DQ and PMOVZX.
  static func extend(_ row: UInt8, _ bits: UInt64, signed: Bool) -> V128 {
    let source = V128(low: bits)
    switch row {
    case 0:
      let bytes = source.u8.lowHalf
      return signed
        ? v128(SIMD8<Int16>(truncatingIfNeeded: source.i8.lowHalf)) : v128(SIMD8<UInt16>(truncatingIfNeeded: bytes))
    case 1:
      return signed
        ? v128(SIMD4<Int32>(truncatingIfNeeded: source.i8.lowHalf.lowHalf))
        : v128(SIMD4<UInt32>(truncatingIfNeeded: source.u8.lowHalf.lowHalf))
    case 2:
      return signed
        ? v128(SIMD2<Int64>(Int64(source.i8[0]), Int64(source.i8[1])))
        : V128(UInt64(source.u8[0]), UInt64(source.u8[1]))
    case 3:
      return signed
        ? v128(SIMD4<Int32>(truncatingIfNeeded: source.i16.lowHalf))
        : v128(SIMD4<UInt32>(truncatingIfNeeded: source.u16.lowHalf))
    case 4:
      return signed
        ? v128(SIMD2<Int64>(Int64(source.i16[0]), Int64(source.i16[1])))
        : V128(UInt64(source.u16[0]), UInt64(source.u16[1]))
    default:
      return signed
        ? v128(SIMD2<Int64>(Int64(source.i32[0]), Int64(source.i32[1])))
        : V128(UInt64(source.u32[0]), UInt64(source.u32[1]))
    }
  }

  /// PBLENDVB, BLENDVPS, BLENDVPD: the second operand where the mask's lane is negative.
  static func blend(_ opcode: UInt8, _ a: V128, _ b: V128, mask: V128) -> V128 {
    let select: V128
    switch opcode {
    case 0x10: select = v128(mask.i8 &>> 7)
    case 0x14: select = v128(mask.i32 &>> 31)
    default: select = v128(mask.i64 &>> 63)
    }
    return (a & ~select) | (b & select)
  }

  /// SSE4.1 and SSE4.2: multiplications, comparisons, minima and maxima.
  static func sse4(_ opcode: UInt8, _ a: V128, _ b: V128) -> V128 {
    switch opcode {
    case 0x28:
      return v128(((a.i64 &<< 32) &>> 32) &* ((b.i64 &<< 32) &>> 32))
    case 0x29: return v128(SIMD2<UInt64>.ones(a .== b))
    case 0x2b:
      let lower = SIMD4<Int32>(repeating: 0)
      let upper = SIMD4<Int32>(repeating: 0xffff)
      return v128(
        SIMD8<UInt16>(
          lowHalf: SIMD4<UInt16>(truncatingIfNeeded: a.i32.clamped(lowerBound: lower, upperBound: upper)),
          highHalf: SIMD4<UInt16>(truncatingIfNeeded: b.i32.clamped(lowerBound: lower, upperBound: upper))))
    case 0x37: return v128(SIMD2<Int64>.ones(a.i64 .> b.i64))
    case 0x38: return v128(pointwiseMin(a.i8, b.i8))
    case 0x39: return v128(pointwiseMin(a.i32, b.i32))
    case 0x3a: return v128(pointwiseMin(a.u16, b.u16))
    case 0x3b: return v128(pointwiseMin(a.u32, b.u32))
    case 0x3c: return v128(pointwiseMax(a.i8, b.i8))
    case 0x3d: return v128(pointwiseMax(a.i32, b.i32))
    case 0x3e: return v128(pointwiseMax(a.u16, b.u16))
    case 0x3f: return v128(pointwiseMax(a.u32, b.u32))
    case 0x40: return v128(a.u32 &* b.u32)
    default: return minimumPosition(b)
    }
  }

  /// PHMINPOSUW.
  private static func minimumPosition(_ a: V128) -> V128 {
    let lanes = a.u16
    var best = 0
    for lane in 1..<8 where lanes[lane] < lanes[best] { best = lane }
    return V128(low: UInt64(lanes[best]) | UInt64(best) << 16)
  }

  // MARK: SSSE3

  static func supplement(_ opcode: UInt8, _ a: V128, _ b: V128) -> V128 {
    switch opcode {
    case 0x00: return shuffleBytes(a, b, width: 16)
    case 0x01, 0x03, 0x05, 0x07: return horizontal16(opcode, a, b)
    case 0x02, 0x06:
      let lanes = SIMD8<UInt32>(lowHalf: a.u32, highHalf: b.u32)
      return v128(opcode == 2 ? lanes.evenHalf &+ lanes.oddHalf : lanes.evenHalf &- lanes.oddHalf)
    default: return supplementLanes(opcode, a, b)
    }
  }

  static func supplementMMX(_ opcode: UInt8, _ a: UInt64, _ b: UInt64) -> UInt64 {
    switch opcode {
    case 0x00: return shuffleBytes(V128(low: a), V128(low: b), width: 8).low
    case 0x01...0x03, 0x05...0x07: return supplement(opcode, V128(a, b), V128()).low
    default: return supplementLanes(opcode, V128(low: a), V128(low: b)).low
    }
  }

  /// PSHUFB: 16 or 8 bytes.
  private static func shuffleBytes(_ a: V128, _ control: V128, width: UInt8) -> V128 {
    let (bytes, order) = (a.u8, control.u8)
    var result = SIMD16<UInt8>()
    for lane in 0..<16 where order[lane] < 128 { result[lane] = bytes[Int(order[lane] & (width &- 1))] }
    return v128(result)
  }

  /// PHADDW, PHADDSW, PHSUBW, PHSUBSW.
  private static func horizontal16(_ opcode: UInt8, _ a: V128, _ b: V128) -> V128 {
    let lanes = SIMD16<Int16>(lowHalf: a.i16, highHalf: b.i16)
    let (x, y) = (lanes.evenHalf, lanes.oddHalf)
    switch opcode {
    case 0x01: return v128(x &+ y)
    case 0x05: return v128(x &- y)
    default:
      let (wideX, wideY) = (SIMD8<Int32>(truncatingIfNeeded: x), SIMD8<Int32>(truncatingIfNeeded: y))
      let sum = opcode == 0x03 ? wideX &+ wideY : wideX &- wideY
      return v128(
        SIMD8<Int16>(
          truncatingIfNeeded: sum.clamped(lowerBound: .init(repeating: -32768), upperBound: .init(repeating: 32767))))
    }
  }

  /// PMADDUBSW, PSIGN, PMULHRSW, PABS.
  private static func supplementLanes(_ opcode: UInt8, _ a: V128, _ b: V128) -> V128 {
    switch opcode {
    case 0x04:
      let product = SIMD16<Int32>(truncatingIfNeeded: a.u8) &* SIMD16<Int32>(truncatingIfNeeded: b.i8)
      let sum = product.evenHalf &+ product.oddHalf
      return v128(
        SIMD8<Int16>(
          truncatingIfNeeded: sum.clamped(lowerBound: .init(repeating: -32768), upperBound: .init(repeating: 32767))))
    case 0x08: return v128(sign(a.i8, b.i8))
    case 0x09: return v128(sign(a.i16, b.i16))
    case 0x0a: return v128(sign(a.i32, b.i32))
    case 0x0b:
      let product = SIMD8<Int32>(truncatingIfNeeded: a.i16) &* SIMD8<Int32>(truncatingIfNeeded: b.i16)
      return v128(SIMD8<Int16>(truncatingIfNeeded: ((product &>> 14) &+ 1) &>> 1))
    case 0x1c: return v128(sign(b.i8, b.i8))
    case 0x1d: return v128(sign(b.i16, b.i16))
    default: return v128(sign(b.i32, b.i32))
    }
  }

  /// `a` where `b` is positive, −`a` where it is negative, 0 where it is 0.
  @inline(__always)
  private static func sign<Lanes: SIMD>(_ a: Lanes, _ b: Lanes) -> Lanes
  where Lanes.Scalar: FixedWidthInteger & SignedInteger {
    a.replacing(with: 0 &- a, where: b .< 0).replacing(with: 0, where: b .== 0)
  }
}
