// Shuffles, shifts by an immediate, and words in and out (0F 70 … 73, C4 … C6).
extension CPU {
  func executeShuffle(_ op: Op) -> Bool {
    switch op.opcode {
    case 0x70: return executePackedShuffle(op)
    case 0xc4: return executeInsertWord(op)
    case 0xc5: return executeExtractWord(op)
    case 0xc6: return executeFloatShuffle(op)
    default: return executeImmediateShift(op)
    }
  }

  /// Four words by the pairs of bits of `control`.
  private func shuffleWords(_ value: UInt64, _ control: UInt64) -> UInt64 {
    var result: UInt64 = 0
    for lane in 0..<4 {
      let from = (control &>> UInt64(2 * lane)) & 3
      result |= ((value &>> (16 &* from)) & 0xffff) &<< UInt64(16 * lane)
    }
    return result
  }

  /// PSHUFW, PSHUFD, PSHUFHW, PSHUFLW.
  private func executePackedShuffle(_ op: Op) -> Bool {
    let control = op.immediate & 0xff
    if op.mandatoryPrefix == .none {
      guard let value = loadMMX(op) else { return false }
      setMMX(op.regNumber, shuffleWords(value, control))
      return true
    }
    guard let value = loadVector(op) else { return false }
    switch op.mandatoryPrefix {
    case .pF3: setXMM(op.regNumber, V128(value.low, shuffleWords(value.high, control)))
    case .pF2: setXMM(op.regNumber, V128(shuffleWords(value.low, control), value.high))
    default:
      let lanes = value.u32
      setXMM(
        op.regNumber,
        v128(
          SIMD4<UInt32>(
            lanes[Int(control & 3)], lanes[Int(control >> 2 & 3)], lanes[Int(control >> 4 & 3)],
            lanes[Int(control >> 6)]
          )))
    }
    return true
  }

  /// PINSRW.
  private func executeInsertWord(_ op: Op) -> Bool {
    let word: UInt16
    if op.isMemory {
      guard let at = address(op, 2), let loaded = load(UInt16.self, at) else { return false }
      word = loaded
    } else {
      word = UInt16(truncatingIfNeeded: s[op.rmNumber])
    }
    if op.mandatoryPrefix == .p66 {
      var lanes = xmm(op.regNumber).u16
      lanes[Int(op.immediate & 7)] = word
      setXMM(op.regNumber, v128(lanes))
    } else {
      let shift = 16 &* (op.immediate & 3)
      setMMX(op.regNumber, mmx(op.regNumber) & ~(0xffff &<< shift) | UInt64(word) &<< shift)
    }
    return true
  }

  /// PEXTRW to a general register.
  private func executeExtractWord(_ op: Op) -> Bool {
    if op.mandatoryPrefix == .p66 {
      s[op.regNumber] = UInt64(xmm(op.rmNumber).u16[Int(op.immediate & 7)])
    } else {
      s[op.regNumber] = (mmx(op.rmNumber) &>> (16 &* (op.immediate & 3))) & 0xffff
    }
    return true
  }

  /// SHUFPS, SHUFPD.
  private func executeFloatShuffle(_ op: Op) -> Bool {
    guard let b = loadVector(op) else { return false }
    let a = xmm(op.regNumber)
    let control = Int(op.immediate & 0xff)
    if op.mandatoryPrefix == .p66 {
      setXMM(op.regNumber, V128(a[control & 1], b[control >> 1 & 1]))
    } else {
      let (x, y) = (a.u32, b.u32)
      setXMM(
        op.regNumber, v128(SIMD4<UInt32>(x[control & 3], x[control >> 2 & 3], y[control >> 4 & 3], y[control >> 6])))
    }
    return true
  }

  /// PSRLW … PSLLDQ by an immediate: groups 12, 13 and 14.
  private func executeImmediateShift(_ op: Op) -> Bool {
    let count = op.immediate & 0xff
    let isWide = op.mandatoryPrefix == .p66
    let value = isWide ? xmm(op.rmNumber) : V128(low: mmx(op.rmNumber))
    var result: V128
    if op.opcode == 0x73 && op.modRMReg & 1 != 0 {
      result = Packed.shiftBytes(value, count, left: op.modRMReg == 7)
    } else {
      // The opcode that shifts by a register: D1 … D3, E1, E2, F1 … F3.
      let rows: [UInt8] = [0xd0, 0xe0, 0xf0]
      result = Packed.shift(rows[Int(op.modRMReg >> 1) - 1] | op.opcode & 3, value, count: count)
    }
    if isWide { setXMM(op.rmNumber, result) } else { setMMX(op.rmNumber, result.low) }
    return true
  }
}
