internal import VMMCore

extension CPU {
  /// MMX, SSE, FXSAVE and XSAVE instructions: `op.map`, `op.opcode` and `op.mandatoryPrefix` say which.
  @inline(never)
  func executeVector(_ op: Op) -> Bool {
    if op.map == 1 && (op.opcode == 0xae || op.opcode == 0xc7) { return executeStateTransfer(op) }
    let isMMX = usesMMX(op)
    if cr0 & (CR0.em | CR0.ts) != 0 || cr4 & CR4.osfxsr == 0 || isMMX {
      guard isVectorAllowed(op, isMMX: isMMX) else { return false }
    }
    let done = executeByMap(op)
    if isMMX && (done || entersMMXAllTheSame(op)) {
      enterMMX()
      if op.opcode == 0x77 { s[Slot.ftw] = 0 }
    }
    if isMMX && !done && does(.mmxStoresClearTop) && isMMXStore(op) && s[Slot.faultPending] != 0 { s[Slot.fpuTop] = 0 }
    return done
  }

  /// MOVD, MOVQ and MOVNTQ to memory.
  private func isMMXStore(_ op: Op) -> Bool {
    op.map == 1 && [0x7e, 0x7f, 0xe7].contains(op.opcode) && op.mandatoryPrefix == .none
  }

  /// A conversion that ends in #XM, and MASKMOVQ whose store fails, have made the transition.
  private func entersMMXAllTheSame(_ op: Op) -> Bool {
    s[Slot.faultPending] != 0
      && (op.opcode == 0xf7 || s[Slot.faultVector] == UInt64(ExceptionVector.simdFloatingPoint))
  }

  @inline(__always)
  private func executeByMap(_ op: Op) -> Bool {
    switch op.map {
    case 1: executeTwoByteVector(op)
    case 2: execute38(op)
    default: execute3A(op)
    }
  }

  /// #UD, #NM and #MF, in this order.
  private func isVectorAllowed(_ op: Op, isMMX: Bool) -> Bool {
    if cr0 & CR0.em != 0 { return raiseUndefined() }
    if cr4 & CR4.osfxsr == 0 && needsOSFXSR(op, isMMX: isMMX) { return raiseUndefined() }
    if cr0 & CR0.ts != 0 { return raise(ExceptionVector.deviceNotAvailable) }
    return !isMMX || checkX87Pending()
  }

  /// All that name an XMM register. The MMX ones that came with SSE work without it.
  private func needsOSFXSR(_ op: Op, isMMX: Bool) -> Bool {
    !isMMX || op.mandatoryPrefix != .none || (op.map == 1 && op.opcode < 0x60)
  }

  /// Whether the instruction touches MMX registers.
  @inline(__always)
  private func usesMMX(_ op: Op) -> Bool {
    if op.map == 3 { return op.opcode == 0x0f && op.mandatoryPrefix == .none }
    let prefix = op.mandatoryPrefix
    if prefix == .none {
      if op.map == 2 { return true }
      let opcode = op.opcode
      return opcode >= 0x60 && opcode != 0xc2 && opcode != 0xc6 || isMMXConversion(op)
    }
    if op.map != 1 { return false }
    return op.opcode == 0xd6 ? prefix != .p66 : prefix == .p66 && isMMXConversion(op)
  }

  /// CVTPI2PS, CVTPS2PI and the like. From memory CVTPI2PS and CVTPI2PD leave the x87 alone.
  @inline(__always)
  private func isMMXConversion(_ op: Op) -> Bool {
    switch op.opcode {
    case 0x2a: !op.isMemory
    case 0x2c, 0x2d: true
    default: false
    }
  }

  @inline(__always)
  private func executeTwoByteVector(_ op: Op) -> Bool {
    switch op.opcode {
    case 0x10...0x17, 0x28, 0x29, 0x2b, 0x50, 0x6e, 0x6f, 0x7e, 0x7f, 0xd6, 0xd7, 0xe7, 0xf0, 0xf7:
      return executeVectorMove(op)
    case 0x2a, 0x2c, 0x2d, 0x5a, 0x5b, 0xe6: return executeConversion(op)
    case 0x2e, 0x2f: return executeOrderedCompare(op)
    case 0x51...0x53, 0x58, 0x59, 0x5c...0x5f, 0x7c, 0x7d, 0xc2, 0xd0: return executeFloat(op)
    case 0x54...0x57: return executeFloatLogic(op)
    case 0x70...0x73, 0xc4...0xc6: return executeShuffle(op)
    // EMMS.
    case 0x77: return true
    default: return executePackedInteger(op)
    }
  }

  /// The binary integer operations of the 0F map, on XMM or MMX registers.
  private func executePackedInteger(_ op: Op) -> Bool {
    if op.mandatoryPrefix == .p66 {
      guard let source = loadVector(op) else { return false }
      setXMM(op.regNumber, Packed.binary(op.opcode, xmm(op.regNumber), source))
    } else {
      // PUNPCKLBW, PUNPCKLWD and PUNPCKLDQ read half of it.
      let isHalf = op.isMemory && op.opcode <= 0x62
      guard let source = isHalf ? loadScalar(op, UInt32.self).map({ UInt64($0) }) : loadMMX(op) else { return false }
      setMMX(op.regNumber, Packed.binaryMMX(op.opcode, mmx(op.regNumber), source))
    }
    return true
  }
}
