internal import VMMCore

/// What a shift or rotation yields; nothing changes but the value when the count is zero.
private struct Shifted {
  var value: UInt64
  var carry: Bool
  var overflow: Bool
  /// Rotations leave SF, ZF, AF and PF alone.
  var setsResult: Bool
}

// ROL, ROR, RCL, RCR, SHL, SHR, SAR, SHLD, SHRD.
extension CPU {
  @inline(never)
  func executeShift(_ op: Op) -> Bool {
    let size = op.size
    let by = (op.handler == .shiftRMCL ? rcx : op.immediate) & (size == 8 ? 63 : 31)
    guard by != 0 else {
      // Memory counts as written; a 32-bit register's upper half is cleared.
      return modifyRMWord(op) { $0 }
    }
    var shifted = Shifted(value: 0, carry: false, overflow: false, setsResult: false)
    let group = undefinedFlags(op)
    let before = flagsBefore(group)
    var source: UInt64 = 0
    var first = false
    guard
      modifyRMWord(
        op,
        {
          source = $0
          shifted = shift(op.kind, $0, by, size)
          if differs(group) { first = firstOverflow(op.kind, $0, by, size) }
          return shifted.value
        })
    else { return false }
    // AF is undefined after a shift: the reference sets it.
    let adjust = shifted.setsResult || af
    if shifted.setsResult { setResultFlags(shifted.value, size) }
    setCarries(carry: shifted.carry, overflow: shifted.overflow, adjust: adjust)
    imitate(group, before: before, result: shifted.value, source: source, size: size, places: by, first: first)
    return true
  }

  private func rotatesByCL(_ op: Op) -> Bool {
    op.handler == .shiftRMCL || op.isMemory || does(.kernelRotatesByCL) && privilegeLevel == 0
  }

  /// OF as the first place leaves it, for `FlagChoice.firstPlace`.
  private func firstOverflow(_ kind: UInt8, _ value: UInt64, _ by: UInt64, _ size: Int) -> Bool {
    let isWholeTurn = (kind == 2 || kind == 3) && by % UInt64(8 * size + 1) == 0
    return isWholeTurn ? of : shift(kind, value, 1, size).overflow
  }

  /// What a shift or rotation leaves undefined.
  func undefinedFlags(_ op: Op) -> UndefinedFlags {
    switch op.kind {
    case 0, 1: rotatesByCL(op) ? .rotate : .rotateByImmediate
    case 2, 3: .rotateThroughCarry
    case 4, 6: .shiftLeft
    case 5: .shiftRight
    default: .shiftArithmetic
    }
  }

  private func shift(_ kind: UInt8, _ value: UInt64, _ by: UInt64, _ size: Int) -> Shifted {
    switch kind {
    case 0, 1: rotate(kind, value, by, size)
    case 2: rotateThroughCarryLeft(value, by, size)
    case 3: rotateThroughCarryRight(value, by, size)
    case 4, 6: shiftLeft(value, by, size)
    case 5: shiftRight(value, by, size)
    default: shiftArithmetic(value, by, size)
    }
  }

  private func rotate(_ kind: UInt8, _ value: UInt64, _ by: UInt64, _ size: Int) -> Shifted {
    let bits = UInt64(8 * size)
    let mask = sizeMask(size)
    let left = (kind == 0 ? by : bits &- by % bits) % bits
    let result = (value << left | value >> (bits - left)) & mask
    let top = signBit(result, size)
    if kind == 0 {
      let carry = result & 1 != 0
      return Shifted(value: result, carry: carry, overflow: top != carry, setsResult: false)
    }
    let second = result >> (bits - 2) & 1 != 0
    return Shifted(value: result, carry: top, overflow: top != second, setsResult: false)
  }

  private func rotateThroughCarryLeft(_ value: UInt64, _ by: UInt64, _ size: Int) -> Shifted {
    let bits = UInt64(8 * size)
    let count = by % (bits + 1)
    guard count != 0 else {
      return Shifted(value: value, carry: cf, overflow: signBit(value, size) != cf, setsResult: false)
    }
    let result = (value << count | (cf ? 1 : 0) << (count - 1) | value >> (bits + 1 - count)) & sizeMask(size)
    let carry = value >> (bits - count) & 1 != 0
    return Shifted(value: result, carry: carry, overflow: signBit(result, size) != carry, setsResult: false)
  }

  private func rotateThroughCarryRight(_ value: UInt64, _ by: UInt64, _ size: Int) -> Shifted {
    let bits = UInt64(8 * size)
    let count = by % (bits + 1)
    let result =
      count == 0
      ? value : (value >> count | (cf ? 1 : 0) << (bits - count) | value << (bits + 1 - count)) & sizeMask(size)
    let carry = count == 0 ? cf : value >> (count - 1) & 1 != 0
    let second = result >> (bits - 2) & 1 != 0
    return Shifted(value: result, carry: carry, overflow: signBit(result, size) != second, setsResult: false)
  }

  private func shiftLeft(_ value: UInt64, _ by: UInt64, _ size: Int) -> Shifted {
    let bits = UInt64(8 * size)
    let result = (value << by) & sizeMask(size)
    let carry = by <= bits && value >> (bits - by) & 1 != 0
    return Shifted(value: result, carry: carry, overflow: signBit(result, size) != carry, setsResult: true)
  }

  private func shiftRight(_ value: UInt64, _ by: UInt64, _ size: Int) -> Shifted {
    let result = value >> by
    let carry = value >> (by - 1) & 1 != 0
    // For one place, OF is the old sign.
    return Shifted(
      value: result, carry: carry, overflow: by == 1 && signBit(value, size), setsResult: true)
  }

  private func shiftArithmetic(_ value: UInt64, _ by: UInt64, _ size: Int) -> Shifted {
    let extended = Int64(bitPattern: signExtended(value, size))
    let result = UInt64(bitPattern: extended >> Int64(by)) & sizeMask(size)
    let carry = extended >> Int64(by - 1) & 1 != 0
    return Shifted(value: result, carry: carry, overflow: false, setsResult: true)
  }

  /// SHLD (kind 0) and SHRD (kind 1).
  @inline(never)
  func executeDoubleShift(_ op: Op) -> Bool {
    let size = op.size
    let bits = UInt64(8 * size)
    let by = (op.handler == .doubleShiftCL ? rcx : op.immediate) & (size == 8 ? 63 : 31)
    guard by != 0 else { return modifyRMWord(op) { $0 } }
    let filler = registerWord(op.reg, size)
    let before = flagsBefore(.doubleShift)
    var source: UInt64 = 0
    var result: UInt64 = 0
    var carry = false
    var overflow = false
    var first = false
    let done = modifyRMWord(op) { value in
      source = value
      first = signBit(value, size) != (op.kind == 0 ? value >> (bits - 2) & 1 != 0 : filler & 1 != 0)
      if by > bits {
        (result, carry) = longDoubleShift(op.kind, value, filler, by)
      } else if op.kind == 0 {
        (result, carry) = doubleLeft(value, filler, by, bits)
      } else {
        (result, carry) = doubleRight(value, filler, by, bits)
      }
      result &= sizeMask(size)
      // Defined for a shift by one; AMD's CPUs do the same for others.
      overflow = signBit(result, size) != (op.kind == 0 ? carry : result >> (bits - 2) & 1 != 0)
      return result
    }
    guard done else { return false }
    setResultFlags(result, size)
    if by >= bits && op.kind == 0 && s[Slot.longDoubleShift] == 0 { overflow = carry }
    setCarries(carry: carry, overflow: overflow, adjust: true)
    imitate(.doubleShift, before: before, result: result, source: source, size: size, places: by, first: first)
    return true
  }

  /// A 16-bit operand may be shifted by more than 16.
  private func longDoubleShift(_ kind: UInt8, _ value: UInt64, _ filler: UInt64, _ by: UInt64) -> (UInt64, Bool) {
    let choice = UndefinedProfile.LongDoubleShift(rawValue: UInt8(truncatingIfNeeded: s[Slot.longDoubleShift]))
    let shifted = LongDoubleShiftResult(choice ?? .secondTwice, value, filler, by: by, right: kind != 0)
    return (UInt64(shifted.value), shifted.carry)
  }

  private func doubleLeft(_ value: UInt64, _ filler: UInt64, _ by: UInt64, _ bits: UInt64) -> (UInt64, Bool) {
    return (value << by | filler >> (bits - by), value >> (bits - by) & 1 != 0)
  }

  private func doubleRight(_ value: UInt64, _ filler: UInt64, _ by: UInt64, _ bits: UInt64) -> (UInt64, Bool) {
    return (value >> by | filler << (bits - by), value >> (by - 1) & 1 != 0)
  }
}
