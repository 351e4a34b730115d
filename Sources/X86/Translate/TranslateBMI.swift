internal import VMMCore

// BMI1 and BMI2 by the host's own, where it has them, and ADX. BEXTR is its family's.
extension BlockTranslator {
  /// Those with a VEX prefix; `kind` is the byte offset of the register in VEX.vvvv.
  mutating func vex(_ op: OperationPointer) -> Outcome {
    switch op.handler {
    case .rorx, .sarx, .shlx, .shrx, .pdep, .pext:
      guard HostFeatures.here.bmi2, let source = rm(op, isStore: false) else { return .none }
      if !op.isMemory { hostHasFlags = hostHadFlags }
      write(op.reg) { $0.emitVEX(op, $1, source) }
      return .next
    case .mulx: return multiplyWithoutFlags(op)
    case .andn, .bzhi:
      guard let kind = fieldFlags(op), op.handler == .andn ? HostFeatures.here.bmi1 : HostFeatures.here.bmi2,
        let source = rm(op, isStore: false)
      else { return .none }
      write(op.reg, through: .rdx) { block, host in
        block.emitVEX(op, host, source)
        block.keepFieldFlags(kind, of: host, size: op.size)
      }
      return .next
    case .blsr, .blsmsk, .blsi:
      guard let kind = fieldFlags(op), HostFeatures.here.bmi1, let source = rm(op, isStore: false) else {
        return .none
      }
      write(op.kind, through: .rdx) { block, host in
        let number = HostRegister(number: op.instruction.modRMReg)
        block.code.vex(map: 2, 0, 0xf3, number, host, source, size: op.size)
        block.keepFieldFlags(kind, of: host, size: op.size)
      }
      return .next
    default: return .none
    }
  }

  /// The guest's instruction, with another register and operand.
  private mutating func emitVEX(_ op: OperationPointer, _ target: HostRegister, _ source: HostOperand) {
    // Mandatory prefixes as VEX has them: 1 66, 2 F3, 3 F2.
    let prefix: UInt8
    switch op.handler {
    case .shlx: prefix = 1
    case .sarx, .pext: prefix = 2
    case .shrx, .pdep, .rorx: prefix = 3
    default: prefix = 0
    }
    let opcode = op.instruction.opcode
    if op.handler == .rorx {
      code.vex(map: 3, prefix, opcode, target, nil, source, size: op.size)
      code.byte(UInt8(truncatingIfNeeded: op.immediate))
    } else {
      let other = value(op.kind, orLoadedInto: .rdx)
      code.vex(map: 2, prefix, opcode, target, other, source, size: op.size)
    }
  }

  /// MULX: the low half is written first, so that the high half wins.
  private mutating func multiplyWithoutFlags(_ op: OperationPointer) -> Outcome {
    guard HostFeatures.here.bmi2, let source = rm(op, isStore: false) else { return .none }
    if !op.isMemory { hostHasFlags = hostHadFlags }
    code.load(.rdx, RegisterMap.operand(GPR.rdx))
    code.vex(map: 2, 3, 0xf6, .rax, .rcx, source, size: op.size)
    code.store(.rcx, guest(op.kind))
    code.store(.rax, guest(op.reg))
    return .next
  }

  /// How PF comes out, where AF is clear.
  private enum FieldFlags {
    case parityOfResult, noParity
  }

  private func fieldFlags(_ op: OperationPointer) -> FieldFlags? {
    switch cpu.rule(op.handler == .andn ? .andNot : .bitFields) {
    case FlagRule([.pf: .result, .af: .cleared]): .parityOfResult
    case FlagRule([.pf: .cleared, .af: .cleared]): .noParity
    default: nil
    }
  }

  /// CF as the host's, OF clear, the others by the result. Uses RAX and RCX.
  private mutating func keepFieldFlags(_ kind: FieldFlags, of result: HostRegister, size: Int) {
    code.set(.carry, .rcx)
    code.test(.register(result), with: result, size: size)
    lahf()
    code.instruction(0x1b6, .rcx, .register(.rcx), size: 4)
    code.shift(ShiftKind.left.rawValue, .rcx, by: 8, size: 4)
    code.moveLow(.rax, immediate: HostFlags.hasNoAdjust)
    code.alu(ALU.or, .rax, .register(.rcx), size: 4)
    if kind == .noParity { code.alu(ALU.and, .register(.rax), immediate: ~HostFlags.parity, size: 4) }
    keepAX()
  }

  /// ADCX and ADOX: an addition that carries through CF or OF alone; the other flags stay.
  mutating func addWithCarry(_ op: OperationPointer) -> Outcome {
    guard let source = rm(op, isStore: false) else { return .none }
    let bit: UInt8 = op.handler == .adcx ? 8 : 0
    let flag = op.handler == .adcx ? HostFlags.carry : HostFlags.overflow
    code.instruction(0x1ba, extension: 4, .register(RegisterMap.flags), size: 4)
    code.byte(bit)
    update(op.reg) { $0.code.alu(ALU.adc, $1, source, size: op.size) }
    code.set(.carry, .rax)
    code.instruction(0x1b6, .rax, .register(.rax), size: 4)
    if bit != 0 { code.shift(ShiftKind.left.rawValue, .rax, by: bit, size: 4) }
    code.alu(ALU.and, .register(RegisterMap.flags), immediate: ~flag, size: 4)
    code.alu(ALU.or, RegisterMap.flags, .register(.rax), size: 4)
    return .next
  }
}
