internal import VMMCore

// MUL, IMUL, DIV, IDIV of 32 and 64 bits.
extension BlockTranslator {
  mutating func multiplyLong(_ op: OperationPointer) -> Outcome {
    guard op.size >= 4, let flags = productFlags, let source = rm(op, isStore: false) else { return .none }
    code.load(.rax, RegisterMap.operand(GPR.rax))
    code.instruction(0xf7, extension: op.handler == .imulRM ? 5 : 4, source, size: op.size)
    // The upper halves are clear where the operands have 32 bits.
    code.store(.rax, RegisterMap.operand(GPR.rax))
    code.store(.rdx, RegisterMap.operand(GPR.rdx))
    keep(flags, result: RegisterMap.operand(GPR.rax), size: op.size)
    return .next
  }

  mutating func multiplyWhole(_ op: OperationPointer) -> Outcome {
    guard op.size >= 4, let flags = productFlags, let source = rm(op, isStore: false) else { return .none }
    if op.handler == .imulRegRMImm {
      guard let number = immediate(op, op.size) else { return .none }
      write(op.reg) { block, host in
        block.code.instruction(0x69, host, source, size: op.size)
        block.code.number(number, size: 4)
      }
    } else {
      update(op.reg) { $0.code.instruction(0x1af, $1, source, size: op.size) }
    }
    keep(flags, result: guest(op.reg), size: op.size)
    return .next
  }

  /// The family has what ends in #DE, and of IDIV whatever is not as CDQ or CQO leaves it, or by 0 or -1.
  mutating func divide(_ op: OperationPointer) -> Outcome {
    let rule = cpu.rule(.divide), isKept = rule == FlagRule([:])
    guard op.size >= 4, isKept || rule == UndefinedFlags.divide.reference, let source = rm(op, isStore: false) else {
      return .none
    }
    let high = RegisterMap.operand(GPR.rdx), size = op.size
    code.load(.rcx, source, size: size)
    code.load(.rax, RegisterMap.operand(GPR.rax))
    if op.handler == .idivRM {
      code.move(.rdx, .rax, size: size)
      code.shift(ShiftKind.arithmetic.rawValue, .rdx, by: UInt8(8 * size - 1), size: size)
      code.alu(ALU.cmp, .rdx, high, size: size)
      leave(at: op, when: .notEqual)
      code.lea(.rdx, .memory(.rcx, 1), size: size)
      code.alu(ALU.cmp, .register(.rdx), immediate: 1, size: size)
      leave(at: op, when: .belowOrEqual)
      code.load(.rdx, high)
    } else {
      code.load(.rdx, high)
      code.alu(ALU.cmp, .rdx, .register(.rcx), size: size)
      leave(at: op, when: HostCondition.carry.negated)
    }
    code.instruction(0xf7, extension: op.handler == .idivRM ? 7 : 6, .register(.rcx), size: size)
    // The upper halves are clear where the operands have 32 bits.
    code.store(.rax, RegisterMap.operand(GPR.rax))
    code.store(.rdx, high)
    guard !isKept else { return .next }
    // CF and OF stay; of the others only AF is set.
    code.alu(ALU.and, .register(RegisterMap.flags), immediate: HostFlags.carry | HostFlags.overflow, size: 4)
    code.alu(ALU.or, .register(RegisterMap.flags), immediate: HostFlags.adjust, size: 4)
    return .next
  }
}
