internal import VMMCore

// x87 instructions by the host's own, under the guest's control word, while all exceptions are masked: results and
// status are the same on all processors then, but for functions beyond arithmetic, which are the families'.
extension BlockTranslator {
  mutating func x87(_ op: OperationPointer) -> Outcome {
    guard HostFeatures.here.x87 else { return .none }
    if op.instruction.opcode == 0x9b {
      // FWAIT finds nothing pending.
      openX87(op)
      return .next
    }
    return op.isMemory ? x87Memory(op) : x87Registers(op)
  }

  private mutating func x87Memory(_ op: OperationPointer) -> Outcome {
    let row = op.instruction.modRMReg
    switch (op.instruction.opcode, row) {
    case (0xd8, _), (0xda, _): return x87Arithmetic(op, size: 4)
    case (0xdc, _): return x87Arithmetic(op, size: 8)
    case (0xde, _): return x87Arithmetic(op, size: 2)
    case (0xd9, 0), (0xdb, 0): return x87Load(op, size: 4)
    case (0xdd, 0), (0xdf, 5): return x87Load(op, size: 8)
    case (0xdf, 0): return x87Load(op, size: 2)
    case (0xdb, 5): return x87Load(op, size: 10)
    case (0xd9, 2), (0xd9, 3), (0xdb, 2), (0xdb, 3): return x87Store(op, size: 4, as: 3)
    case (0xdd, 2), (0xdd, 3): return x87Store(op, size: 8, as: 3)
    case (0xdf, 2), (0xdf, 3): return x87Store(op, size: 2, as: 3)
    case (0xdb, 7): return x87Store(op, size: 10, as: 7)
    case (0xdf, 7): return x87Store(op, size: 8, as: 7)
    case (0xd9, 5): return loadControl(op)
    case (0xd9, 7), (0xdd, 7): return storeWord(op)
    default: return .none
    }
  }

  private mutating func x87Registers(_ op: OperationPointer) -> Outcome {
    let row = op.instruction.modRMReg, modRM = op.instruction.modRM
    switch (op.instruction.opcode, row) {
    case (0xd8, 2), (0xd8, 3): return x87Compare(op, pops: row == 3 ? 1 : 0)
    case (0xd8, _): return x87Arithmetic(op, toTop: true)
    case (0xdc, 0...1), (0xdc, 4...7): return x87Arithmetic(op, toTop: false)
    case (0xde, 0...1), (0xde, 4...7): return x87Arithmetic(op, toTop: false, pops: 1)
    case (0xd9, 0), (0xd9, 5): return modRM == 0xef ? .none : x87Push(op, isConstant: row == 5)
    case (0xd9, 1): return x87Exchange(op)
    case (0xd9, 4), (0xd9, 7): return x87Unary(op)
    case (0xda, 0...3), (0xdb, 0...3): return x87ConditionalMove(op)
    case (0xdd, 2), (0xdd, 3): return x87Copy(op)
    case (0xdd, 4), (0xdd, 5): return x87Compare(op, isQuiet: true, pops: row == 5 ? 1 : 0)
    case (0xda, 5) where modRM == 0xe9: return x87Compare(op, isQuiet: true, pops: 2)
    case (0xde, 3) where modRM == 0xd9: return x87Compare(op, pops: 2)
    case (0xdb, 5), (0xdb, 6): return x87CompareToFlags(op, pops: 0)
    case (0xdf, 5), (0xdf, 6): return x87CompareToFlags(op, pops: 1)
    case (0xdf, 4) where modRM == 0xe0:
      openX87(op)
      loadStatus()
      code.store(.rax, RegisterMap.operand(GPR.rax), size: 2)
      return .next
    default: return .none
    }
  }

  // MARK: moves

  /// FLD, FILD.
  private mutating func x87Load(_ op: OperationPointer, size: Int) -> Outcome {
    openX87(op)
    let place = x87Operand(op, size: size)
    takeNextTop(op)
    code.instruction(UInt16(op.instruction.opcode), extension: op.instruction.modRMReg, place, size: 4)
    takeHostStatus()
    popFromHost(x87Register(.rdx, through: .rcx))
    keepStatus()
    finishPush()
    return notePlace(op)
  }

  /// FST, FSTP, FIST, FISTP: `row` is that of the form that pops.
  private mutating func x87Store(_ op: OperationPointer, size: Int, as row: UInt8) -> Outcome {
    openX87(op)
    let place = x87Operand(op, size: size, isStore: true)
    takeTop(op)
    pushToHost(x87Register(.rdx, through: .rax))
    code.instruction(UInt16(op.instruction.opcode), extension: row, place, size: 4)
    takeHostStatus()
    keepStatus()
    pop(op.instruction.modRMReg == 2 ? 0 : 1)
    return notePlace(op)
  }

  /// FNSTCW, FNSTSW to memory.
  private mutating func storeWord(_ op: OperationPointer) -> Outcome {
    openX87(op)
    let place = operand(op, size: 2, isStore: true)
    if op.instruction.opcode == 0xd9 { code.load(.rax, slot(Slot.fcw), size: 4) } else { loadStatus() }
    code.store(.rax, place, size: 2)
    return .next
  }

  /// FLD of a register, FLD1 … FLDZ.
  private mutating func x87Push(_ op: OperationPointer, isConstant: Bool) -> Outcome {
    openX87(op)
    if isConstant {
      takeNextTop(op)
      hostX87(0xd9, op.instruction.modRM)
    } else {
      takeNextTop(op, from: Int(op.instruction.modRMRM))
      pushToHost(x87Register(.rcx, through: .rcx))
    }
    popFromHost(x87Register(.rdx, through: .rcx))
    clearC1()
    finishPush()
    return notePlace(op)
  }

  /// FST, FSTP to ST(i).
  private mutating func x87Copy(_ op: OperationPointer) -> Outcome {
    openX87(op)
    takeTop(op, and: Int(op.instruction.modRMRM), isTaken: false)
    pushToHost(x87Register(.rdx, through: .rax))
    popFromHost(x87Register(.rcx, through: .rax))
    markInUse(.rcx)
    clearC1()
    pop(op.instruction.modRMReg == 3 ? 1 : 0)
    return notePlace(op)
  }

  private mutating func x87Exchange(_ op: OperationPointer) -> Outcome {
    openX87(op)
    takeTop(op, and: Int(op.instruction.modRMRM))
    let other = x87Register(.rcx, through: .rcx), top = x87Register(.rdx, through: .rdx)
    pushToHost(other)
    pushToHost(top)
    popFromHost(other)
    popFromHost(top)
    clearC1()
    return notePlace(op)
  }

  /// FCMOVB, E, BE, U and their opposites.
  private mutating func x87ConditionalMove(_ op: OperationPointer) -> Outcome {
    openX87(op)
    takeTop(op, and: Int(op.instruction.modRMRM))
    hostHadFlags = false
    let codes: [UInt8] = [2, 4, 6, 10]
    let condition = test(codes[Int(op.instruction.modRMReg)] | (op.instruction.opcode == 0xdb ? 1 : 0))
    let isNot = code.branch(condition.negated)
    pushToHost(x87Register(.rcx, through: .rcx))
    popFromHost(x87Register(.rdx, through: .rdx))
    code.place(isNot)
    return notePlace(op)
  }

  // MARK: arithmetic

  /// ST0 and memory.
  private mutating func x87Arithmetic(_ op: OperationPointer, size: Int) -> Outcome {
    let row = op.instruction.modRMReg, isCompare = row & 6 == 2, opcode = UInt16(op.instruction.opcode)
    openX87(op)
    let place = x87Operand(op, size: size)
    takeTop(op)
    let top = x87Register(.rdx, through: .rdx)
    pushToHost(top)
    // FCOM leaves nothing on the stack, as FCOMP.
    code.instruction(opcode, extension: isCompare ? 3 : row, place, size: 4)
    takeHostStatus()
    if isCompare {
      keepStatus(X87Status.conditions)
      code.shift(ShiftKind.right.rawValue, .rdx, by: 1, size: 4)
      pop(row == 3 ? 1 : 0)
    } else {
      popFromHost(top)
      keepStatus()
    }
    return notePlace(op)
  }

  /// ST0 and ST(i): the encodings have the order of the operands alike wherever the result goes to.
  private mutating func x87Arithmetic(_ op: OperationPointer, toTop: Bool, pops: Int = 0) -> Outcome {
    openX87(op)
    takeTop(op, and: Int(op.instruction.modRMRM))
    let other = x87Register(.rcx, through: .rcx)
    pushToHost(other)
    pushToHost(x87Register(.rdx, through: .rax))
    hostX87(0xde, 0xc1 | op.instruction.modRMReg << 3)
    takeHostStatus()
    popFromHost(toTop ? x87Register(.rdx, through: .rdx) : other)
    keepStatus()
    pop(pops)
    return notePlace(op)
  }

  /// FCHS, FABS, FTST, FXAM, FSQRT, FRNDINT.
  private mutating func x87Unary(_ op: OperationPointer) -> Outcome {
    let modRM = op.instruction.modRM
    guard [0xe0, 0xe1, 0xe4, 0xe5, 0xfa, 0xfc].contains(modRM) else { return .none }
    openX87(op)
    takeTop(op)
    let top = x87Register(.rdx, through: .rdx)
    pushToHost(top)
    hostX87(0xd9, modRM)
    takeHostStatus()
    if modRM == 0xe4 || modRM == 0xe5 {
      hostX87(0xdd, 0xd8)
      keepStatus(X87Status.conditions)
    } else {
      popFromHost(top)
      keepStatus()
    }
    return notePlace(op)
  }

  /// FCOM, FUCOM with ST(i).
  private mutating func x87Compare(_ op: OperationPointer, isQuiet: Bool = false, pops: Int) -> Outcome {
    openX87(op)
    takeTop(op, and: Int(op.instruction.modRMRM))
    pushToHost(x87Register(.rcx, through: .rcx))
    pushToHost(x87Register(.rdx, through: .rax))
    // FUCOMPP or FCOMPP.
    if isQuiet { hostX87(0xda, 0xe9) } else { hostX87(0xde, 0xd9) }
    takeHostStatus()
    keepStatus(X87Status.conditions)
    pop(pops)
    return notePlace(op)
  }

  /// FCOMI, FUCOMI: to ZF, PF and CF; the other flags are cleared. C1 stays.
  private mutating func x87CompareToFlags(_ op: OperationPointer, pops: Int) -> Outcome {
    openX87(op)
    takeTop(op, and: Int(op.instruction.modRMRM))
    pushToHost(x87Register(.rcx, through: .rcx))
    pushToHost(x87Register(.rdx, through: .rax))
    hostX87(0xdf, 0xc1 | op.instruction.modRMReg << 3)
    lahf()
    code.alu(
      ALU.and, .register(.rax), immediate: HostFlags.carry | HostFlags.parity | HostFlags.zero, size: 4)
    keepAX()
    hostX87(0xdd, 0xd8)
    takeHostStatus()
    keepStatus(0)
    pop(pops)
    return notePlace(op)
  }
}
