internal import VMMCore

// LAHF, SAHF, CLC … STD, and what only 16- and 32-bit code has: DAA, DAS, AAA, AAS, AAM, AAD, SALC, BOUND.
extension CPU {
  @inline(never)
  func executeFlagOperation(_ op: Op) -> Bool {
    switch op.kind {
    case FlagOperation.clc: cf = false
    case FlagOperation.stc: cf = true
    case FlagOperation.cmc: cf = !cf
    case FlagOperation.cld: s[Slot.systemFlags] &= ~RFlags.df
    default: s[Slot.systemFlags] |= RFlags.df
    }
    return true
  }

  @inline(never)
  func executeLoadFlags(_ op: Op) -> Bool {
    if op.handler == .lahf {
      setRegister(1, UInt8(truncatingIfNeeded: statusFlags | 2))
    } else {
      statusFlags = (rax >> 8 & 0xd5) | (of ? RFlags.of : 0)
    }
    return true
  }

  @inline(never)
  func executeDecimal(_ op: Op) -> Bool {
    switch op.handler {
    case .daa: decimalAdjust(subtracting: false)
    case .das: decimalAdjust(subtracting: true)
    case .aaa: asciiAdjust(subtracting: false)
    case .aas: asciiAdjust(subtracting: true)
    case .aam:
      let base = UInt8(truncatingIfNeeded: op.immediate)
      guard base != 0 else { return raise(ExceptionVector.divideError) }
      let al = UInt8(truncatingIfNeeded: rax)
      setRegister(0, UInt16(al / base) << 8 | UInt16(al % base))
      setFlags(ALUResult(value: al % base, carries: 0))
    case .aad:
      // All flags are those of the addition.
      let tens = UInt8(truncatingIfNeeded: rax >> 8) &* UInt8(truncatingIfNeeded: op.immediate)
      let sum = add(UInt8(truncatingIfNeeded: rax), tens)
      setRegister(0, UInt16(sum.value))
      setFlags(sum)
    default:
      // SALC: AL becomes 0 or ff.
      setRegister(0, cf ? UInt8.max : 0)
    }
    return true
  }

  /// OF, which the manuals leave open, is that of one addition or subtraction of all that is adjusted.
  private func decimalAdjust(subtracting: Bool) {
    let old = UInt8(truncatingIfNeeded: rax)
    let adjust = old & 15 > 9 || af
    let adjustHigh = old > 0x99 || cf
    let carry = adjustHigh || adjust && (subtracting ? old < 6 : old > 0xf9)
    let amount: UInt8 = (adjust ? 6 : 0) + (adjustHigh ? 0x60 : 0)
    let before = flagsBefore(.decimalAdjust)
    let result = subtracting ? subtract(old, amount) : add(old, amount)
    setRegister(0, result.value)
    setFlags(result)
    setCarries(carry: carry, overflow: of, adjust: adjust)
    imitate(.decimalAdjust, before: before, result: UInt64(result.value), source: UInt64(old), size: 1)
  }

  /// PF, SF, ZF and OF, which the manuals leave open, are those of the addition to AX or the subtraction from it.
  private func asciiAdjust(subtracting: Bool) {
    let ax = UInt16(truncatingIfNeeded: rax)
    let adjust = ax & 15 > 9 || af
    let amount: UInt16 = adjust ? 0x106 : 0
    let before = flagsBefore(.asciiAdjust)
    let result = subtracting ? subtract(ax, amount) : add(ax, amount)
    setRegister(0, result.value & 0xff0f)
    setFlags(result)
    setCarries(carry: adjust, overflow: of, adjust: adjust)
    imitate(.asciiAdjust, before: before, result: UInt64(result.value & 0xff0f), source: UInt64(ax), size: 1)
  }

  @inline(never)
  func executeBound(_ op: Op) -> Bool {
    let size = op.size
    guard let at = address(op, 2 * size), let low = loadWord(at, size),
      let high = loadWord(nextLinear(at, UInt64(size)), size)
    else { return false }
    let index = Int64(bitPattern: signExtended(registerWord(op.reg, size), size))
    if index < Int64(bitPattern: signExtended(low, size)) || index > Int64(bitPattern: signExtended(high, size)) {
      return raise(ExceptionVector.boundRange)
    }
    return true
  }

  /// CLFLUSH and its kin fault as a load of one byte does.
  @inline(never)
  func executeTouch(_ op: Op) -> Bool { readRM(op, UInt8.self) != nil }
}
