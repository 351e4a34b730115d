internal import VMMCore

// Moves between XMM, MMX and general registers and memory.
extension CPU {
  func executeVectorMove(_ op: Op) -> Bool {
    switch op.opcode {
    case 0x10: return executeLoad10(op)
    case 0x11: return executeStore11(op)
    case 0x12, 0x16: return executeHalfLoad(op)
    case 0x13: return storeWord(op, xmmLow(op.regNumber))
    case 0x17: return storeWord(op, xmm(op.regNumber).high)
    case 0x14, 0x15: return executeUnpackFloat(op)
    case 0x28: return move(op, aligned: true)
    case 0x29, 0x2b: return storeVector(op, xmm(op.regNumber), aligned: true)
    case 0x50: return executeSignMask(op)
    case 0x6e: return executeFromGeneral(op)
    case 0x6f: return executeLoad6F(op)
    case 0x7e: return executeToGeneral(op)
    case 0x7f: return executeStore7F(op)
    case 0xd6: return executeD6(op)
    case 0xd7: return executeByteMask(op)
    case 0xe7:
      if op.mandatoryPrefix == .p66 { return storeVector(op, xmm(op.regNumber), aligned: true) }
      return storeWord(op, mmx(op.regNumber))
    case 0xf0: return move(op, aligned: false)
    default: return executeMaskedStore(op)
    }
  }

  @inline(__always)
  private func move(_ op: Op, aligned: Bool) -> Bool {
    guard let value = loadVector(op, aligned: aligned) else { return false }
    setXMM(op.regNumber, value)
    return true
  }

  /// MOVUPS, MOVUPD, MOVSS, MOVSD: from memory a scalar clears the rest.
  private func executeLoad10(_ op: Op) -> Bool {
    switch op.mandatoryPrefix {
    case .none, .p66: return move(op, aligned: false)
    case .pF3:
      guard let value = loadScalar(op, UInt32.self) else { return false }
      if op.isMemory {
        setXMM(op.regNumber, V128(low: UInt64(value)))
      } else {
        setXMMLow32(op.regNumber, UInt64(value))
      }
      return true
    case .pF2:
      guard let value = loadScalar(op, UInt64.self) else { return false }
      if op.isMemory { setXMM(op.regNumber, V128(low: value)) } else { setXMMLow(op.regNumber, value) }
      return true
    }
  }

  private func executeStore11(_ op: Op) -> Bool {
    let value = xmm(op.regNumber)
    switch op.mandatoryPrefix {
    case .none, .p66: return storeVector(op, value, aligned: false)
    case .pF3:
      guard op.isMemory else {
        setXMMLow32(op.rmNumber, value.low)
        return true
      }
      guard let at = address(op, 4, write: true) else { return false }
      return store(UInt32(truncatingIfNeeded: value.low), at)
    case .pF2:
      if op.isMemory { return storeWord(op, value.low) }
      setXMMLow(op.rmNumber, value.low)
      return true
    }
  }

  /// MOVLPS, MOVHLPS, MOVHPS, MOVLHPS, MOVLPD, MOVHPD, MOVSLDUP, MOVSHDUP, MOVDDUP.
  private func executeHalfLoad(_ op: Op) -> Bool {
    let isHigh = op.opcode == 0x16
    switch op.mandatoryPrefix {
    case .none, .p66:
      var value = xmm(op.regNumber)
      let half: UInt64
      if op.isMemory {
        guard let at = address(op, 8), let loaded = load(UInt64.self, at) else { return false }
        half = loaded
      } else {
        half = isHigh ? xmm(op.rmNumber).low : xmm(op.rmNumber).high
      }
      value[isHigh ? 1 : 0] = half
      setXMM(op.regNumber, value)
    case .pF3:
      guard let value = loadVector(op)?.u32 else { return false }
      let lanes = isHigh ? SIMD4(value[1], value[1], value[3], value[3]) : SIMD4(value[0], value[0], value[2], value[2])
      setXMM(op.regNumber, v128(lanes))
    case .pF2:
      guard let value = loadScalar(op, UInt64.self) else { return false }
      setXMM(op.regNumber, V128(value, value))
    }
    return true
  }

  /// UNPCKLPS, UNPCKHPS, UNPCKLPD, UNPCKHPD.
  private func executeUnpackFloat(_ op: Op) -> Bool {
    guard let b = loadVector(op) else { return false }
    let a = xmm(op.regNumber)
    let isHigh = op.opcode == 0x15
    if op.mandatoryPrefix == .p66 {
      setXMM(op.regNumber, isHigh ? V128(a.high, b.high) : V128(a.low, b.low))
    } else {
      let (x, y) = (a.u32, b.u32)
      let lanes = isHigh ? SIMD4(x[2], y[2], x[3], y[3]) : SIMD4(x[0], y[0], x[1], y[1])
      setXMM(op.regNumber, v128(lanes))
    }
    return true
  }

  /// MOVMSKPS, MOVMSKPD.
  private func executeSignMask(_ op: Op) -> Bool {
    let value = xmm(op.rmNumber)
    var mask: UInt64 = 0
    if op.mandatoryPrefix == .p66 {
      mask = value.low >> 63 | (value.high >> 63) << 1
    } else {
      for lane in 0..<4 { mask |= UInt64(value.u32[lane] >> 31) << UInt64(lane) }
    }
    s[op.regNumber] = mask
    return true
  }

  /// PMOVMSKB.
  private func executeByteMask(_ op: Op) -> Bool {
    if op.mandatoryPrefix == .p66 {
      let value = xmm(op.rmNumber)
      s[op.regNumber] = signBits(value.low) | signBits(value.high) << 8
    } else {
      s[op.regNumber] = signBits(mmx(op.rmNumber))
    }
    return true
  }

  /// The sign bits of eight bytes, gathered by one multiplication.
  @inline(__always)
  private func signBits(_ word: UInt64) -> UInt64 {
    (((word & 0x8080_8080_8080_8080) &>> 7) &* 0x0102_0408_1020_4080) &>> 56
  }

  /// MOVD, MOVQ from a general register or memory.
  private func executeFromGeneral(_ op: Op) -> Bool {
    var value: UInt64
    if op.rexW {
      guard let source = readRM(op, UInt64.self) else { return false }
      value = source
    } else {
      guard let source = readRM(op, UInt32.self) else { return false }
      value = UInt64(source)
    }
    if op.mandatoryPrefix == .p66 { setXMM(op.regNumber, V128(low: value)) } else { setMMX(op.regNumber, value) }
    return true
  }

  /// MOVD, MOVQ to a general register or memory; F3: MOVQ between XMM registers.
  private func executeToGeneral(_ op: Op) -> Bool {
    if op.mandatoryPrefix == .pF3 {
      guard let value = loadScalar(op, UInt64.self) else { return false }
      setXMM(op.regNumber, V128(low: value))
      return true
    }
    let value = op.mandatoryPrefix == .p66 ? xmmLow(op.regNumber) : mmx(op.regNumber)
    return op.rexW ? writeRM(op, value) : writeRM(op, UInt32(truncatingIfNeeded: value))
  }

  /// MOVQ mm, MOVDQA, MOVDQU.
  private func executeLoad6F(_ op: Op) -> Bool {
    switch op.mandatoryPrefix {
    case .p66: return move(op, aligned: true)
    case .none:
      guard let value = loadMMX(op) else { return false }
      setMMX(op.regNumber, value)
      return true
    default: return move(op, aligned: false)
    }
  }

  private func executeStore7F(_ op: Op) -> Bool {
    switch op.mandatoryPrefix {
    case .p66: return storeVector(op, xmm(op.regNumber), aligned: true)
    case .none:
      if op.isMemory { return storeWord(op, mmx(op.regNumber)) }
      setMMX(op.rmNumber, mmx(op.regNumber))
      return true
    default: return storeVector(op, xmm(op.regNumber), aligned: false)
    }
  }

  /// MOVQ to XMM or memory, MOVQ2DQ, MOVDQ2Q.
  private func executeD6(_ op: Op) -> Bool {
    switch op.mandatoryPrefix {
    case .pF3: setXMM(op.regNumber, V128(low: mmx(op.rmNumber)))
    case .pF2: setMMX(op.regNumber, xmmLow(op.rmNumber))
    default:
      if op.isMemory { return storeWord(op, xmmLow(op.regNumber)) }
      setXMM(op.rmNumber, V128(low: xmmLow(op.regNumber)))
    }
    return true
  }

  /// MASKMOVQ, MASKMOVDQU: bytes whose mask has its top bit set, to DS:rDI. As on AMD's processors the whole operand
  /// must be writable, whatever the mask is; its halves are looked at one behind the other.
  private func executeMaskedStore(_ op: Op) -> Bool {
    let isWide = op.mandatoryPrefix == .p66
    let data = isWide ? xmm(op.regNumber) : V128(low: mmx(op.regNumber))
    let mask = isWide ? xmm(op.rmNumber) : V128(low: mmx(op.rmNumber))
    let count = isWide ? 16 : 8
    let offset = s[GPR.rdi] & addressMask(op.addressSize)
    guard let at = linear(segment: op.segment, offset: offset, size: count, write: true) else { return false }
    let first: UInt64 = isWide && does(.checksUpperHalfFirst) ? 8 : 0
    guard prepareStore(nextLinear(at, first), 8, unit: 8), prepareStore(at, count, unit: 8) else { return false }
    for index in 0..<count where mask.u8[index] >> 7 != 0 {
      guard store(data.u8[index], nextLinear(at, UInt64(index))) else { return false }
    }
    return true
  }
}
