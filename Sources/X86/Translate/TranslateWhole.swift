internal import VMMCore

// Instructions that have no fast form, as they were decoded, where the host's own do the same. A memory operand with a
// plain address is there in 64-bit code only.
extension BlockTranslator {
  mutating func translateWhole(_ op: OperationPointer) -> Outcome {
    guard !op.isMemory || op.isPlainAddress else { return .none }
    if op.instruction.isVEX { return vex(op) }
    switch op.handler {
    case .aluRMReg, .aluRegRM: return aluWhole(op)
    case .aluRMImm: return aluImmediateWhole(op)
    case .testRMReg, .testRMImm: return testWhole(op)
    case .unaryRM: return unary(op)
    case .shiftRMImm: return shiftWhole(op)
    case .shiftRMCL: return shiftByCL(op)
    case .movRMReg, .movRegRM, .movRMImm: return moveWhole(op)
    case .movzx, .movsx: return extend(op)
    case .convertA, .convertD: return convert(op)
    case .bswap: return byteSwap(op)
    case .xchgRMReg: return exchange(op)
    case .xadd: return exchangeAdd(op)
    case .cmpxchg: return compareExchange(op)
    case .setcc, .cmov: return conditionalWhole(op)
    case .mulRM, .imulRM: return multiplyLong(op)
    case .divRM, .idivRM: return divide(op)
    case .imulRegRM, .imulRegRMImm: return multiplyWhole(op)
    case .bitImm, .bitReg: return bit(op)
    case .popcnt, .bsf, .bsr, .tzcnt, .lzcnt, .crc32, .movbeLoad, .movbeStore, .doubleShiftImm, .doubleShiftCL:
      return countBits(op)
    case .adcx, .adox: return addWithCarry(op)
    case .pushImm, .pushRM: return pushWhole(op)
    case .leave: return leaveFrame(op)
    case .vector: return vector(op)
    case .x87: return x87(op)
    default: return .none
    }
  }

  /// The operand that ModRM names; `nil` for AH … BH.
  mutating func rm(_ op: OperationPointer, isStore: Bool) -> HostOperand? {
    if op.isMemory { return operand(op, size: op.size, isStore: isStore) }
    return BlockTranslator.number(op.rm) == nil ? nil : guest(op.rm)
  }

  /// Has the operand that ModRM names changed by an instruction on it.
  private mutating func change(_ op: OperationPointer, _ body: (inout BlockTranslator, HostOperand) -> Void) -> Bool {
    if op.isMemory {
      body(&self, operand(op, size: op.size, isStore: true))
      return true
    }
    guard BlockTranslator.number(op.rm) != nil else { return false }
    update(op.rm) { body(&$0, .register($1)) }
    return true
  }

  // MARK: arithmetic

  private mutating func aluWhole(_ op: OperationPointer) -> Outcome {
    guard BlockTranslator.number(op.reg) != nil else { return .none }
    let (kind, size) = (op.kind, op.size), isCompare = op.kind == ALU.cmp
    let usesCarry = kind == ALU.adc || kind == ALU.sbb
    if op.handler == .aluRegRM {
      guard let source = rm(op, isStore: false) else { return .none }
      if usesCarry { loadCarry() }
      if isCompare {
        code.alu(kind, value(op.reg, orLoadedInto: .rdx), source, size: size)
      } else {
        update(op.reg) { $0.code.alu(kind, $1, source, size: size) }
      }
    } else if isCompare {
      guard let left = rm(op, isStore: false) else { return .none }
      code.alu(kind, left, from: value(op.reg, orLoadedInto: .rdx), size: size)
    } else {
      let isDone = change(op) { block, operand in
        let source = block.value(op.reg, orLoadedInto: .rdx)
        if usesCarry { block.loadCarry() }
        block.code.alu(kind, operand, from: source, size: size)
      }
      guard isDone else { return .none }
    }
    keepFlags(of: kind)
    return .next
  }

  private mutating func aluImmediateWhole(_ op: OperationPointer) -> Outcome {
    let (kind, size) = (op.kind, op.size)
    guard let number = immediate(op, size) else { return .none }
    if kind == ALU.cmp {
      guard let left = rm(op, isStore: false) else { return .none }
      code.alu(kind, left, immediate: number, size: size)
    } else {
      let isDone = change(op) { block, operand in
        if kind == ALU.adc || kind == ALU.sbb { block.loadCarry() }
        block.code.alu(kind, operand, immediate: number, size: size)
      }
      guard isDone else { return .none }
    }
    keepFlags(of: kind)
    return .next
  }

  private mutating func testWhole(_ op: OperationPointer) -> Outcome {
    if op.handler == .testRMImm {
      guard let number = immediate(op, op.size), let left = rm(op, isStore: false) else { return .none }
      code.test(left, immediate: number, size: op.size)
    } else {
      guard BlockTranslator.number(op.reg) != nil, let left = rm(op, isStore: false) else { return .none }
      code.test(left, with: value(op.reg, orLoadedInto: .rdx), size: op.size)
    }
    keepLogicFlags()
    return .next
  }

  private mutating func unary(_ op: OperationPointer) -> Outcome {
    let isStep = op.kind == Unary.inc || op.kind == Unary.dec
    let isDone = change(op) { block, operand in
      if isStep { block.loadCarry() }
      let (opcode, number): (UInt16, UInt8) =
        isStep ? (0xff, op.kind == Unary.inc ? 0 : 1) : (0xf7, op.kind == Unary.not ? 2 : 3)
      block.code.instruction(op.size == 1 ? opcode & 0xfe : opcode, extension: number, operand, size: op.size)
    }
    guard isDone else { return .none }
    if op.kind == Unary.not { hostHasFlags = !op.isMemory && hostHadFlags } else { keepFlags() }
    return .next
  }

  // MARK: moves; they leave the flags alone

  private mutating func moveWhole(_ op: OperationPointer) -> Outcome {
    // Those to and from memory, and all but small ones, have fast forms.
    guard !op.isMemory, op.size < 4 else { return .none }
    let (to, from) = op.handler == .movRegRM ? (op.reg, op.rm) : (op.rm, op.reg)
    guard BlockTranslator.number(to) != nil else { return .none }
    if op.handler == .movRMImm {
      code.move(.rdx, immediate: op.immediate & 0xffff)
      code.store(.rdx, guest(to), size: op.size)
    } else {
      guard BlockTranslator.number(from) != nil else { return .none }
      code.store(value(from, orLoadedInto: .rdx), guest(to), size: op.size)
    }
    hostHasFlags = hostHadFlags
    return .next
  }

  private mutating func extend(_ op: OperationPointer) -> Outcome {
    let from = Int(op.kind)
    guard from < op.size, BlockTranslator.number(op.reg) != nil else { return .none }
    let opcode: UInt16
    switch (op.handler, from) {
    case (.movzx, 1): opcode = 0x1b6
    case (.movzx, 2): opcode = 0x1b7
    case (.movsx, 1): opcode = 0x1be
    case (.movsx, 2): opcode = 0x1bf
    case (.movsx, 4): opcode = 0x63
    default: return .none
    }
    let source: HostOperand
    if op.isMemory {
      source = operand(op, size: from)
    } else {
      guard BlockTranslator.number(op.rm) != nil else { return .none }
      source = guest(op.rm)
      hostHasFlags = hostHadFlags
    }
    update(op.reg) { $0.code.instruction(opcode, $1, source, size: op.size, ofByte: from == 1) }
    return .next
  }

  private mutating func convert(_ op: OperationPointer) -> Outcome {
    guard op.size >= 4, let rax = RegisterMap.host(GPR.rax) else { return .none }
    if op.handler == .convertA {
      code.instruction(op.size == 8 ? 0x63 : 0x1bf, rax, .register(rax), size: op.size)
      hostHasFlags = hostHadFlags
    } else {
      code.move(.rdx, rax)
      code.shift(ShiftKind.arithmetic.rawValue, .rdx, by: UInt8(8 * op.size - 1), size: op.size)
      code.store(.rdx, RegisterMap.operand(GPR.rdx))
    }
    return .next
  }

  private mutating func byteSwap(_ op: OperationPointer) -> Outcome {
    guard op.size >= 4 else { return .none }
    update(op.rm) { $0.code.byteSwap($1, size: op.size) }
    hostHasFlags = hostHadFlags
    return .next
  }

  private mutating func conditionalWhole(_ op: OperationPointer) -> Outcome {
    // Those of registers have fast forms, but for 16 bits.
    guard op.isMemory else { return .none }
    let isSet = op.handler == .setcc
    guard isSet || BlockTranslator.number(op.reg) != nil else { return .none }
    let place = operand(op, size: isSet ? 1 : op.size, isStore: isSet)
    hostHadFlags = false
    let condition = test(op.kind)
    if isSet {
      code.instruction(0x190 | UInt16(condition.code), extension: 0, place, size: 4)
    } else {
      update(op.reg) { $0.code.instruction(0x140 | UInt16(condition.code), $1, place, size: op.size) }
    }
    return .next
  }

  // MARK: bits

  /// BT, BTS, BTR, BTC: `kind` 0 to 3.
  private mutating func bit(_ op: OperationPointer) -> Outcome {
    let isImmediate = op.handler == .bitImm
    guard !cpu.differs(.bitTest), op.size >= 2, isImmediate || !op.isMemory else { return .none }
    let number = UInt8(truncatingIfNeeded: op.immediate) & UInt8(8 * op.size - 1)
    let kind = op.kind
    let body: (inout BlockTranslator, HostOperand) -> Void = { block, operand in
      if isImmediate {
        block.code.instruction(0x1ba, extension: 4 + kind, operand, size: op.size)
        block.code.byte(number)
      } else {
        let source = block.value(op.reg, orLoadedInto: .rdx)
        block.code.instruction(0x1a3 + UInt16(kind) << 3, source, operand, size: op.size)
      }
    }
    if kind == 0 {
      guard let operand = rm(op, isStore: false) else { return .none }
      // With a register as the number, a word in memory would be the begin of a string of bits.
      if isImmediate { body(&self, operand) } else { body(&self, .register(value(op.rm, orLoadedInto: .rax))) }
    } else if !change(op, body) {
      return .none
    }
    keepCarry()
    return .next
  }

  // MARK: stack, in 64-bit code

  private mutating func pushWhole(_ op: OperationPointer) -> Outcome {
    guard cpu.is64Bit, op.size == 8, op.isMemory || op.handler == .pushImm else { return .none }
    if op.handler == .pushRM {
      let place = operand(op, size: 8)
      code.load(.rdx, place)
      code.store(.rdx, slot(SystemSlot.translatedScratch))
    }
    stackAddress(-8, leavingAt: op)
    if op.handler == .pushRM {
      code.load(.rdx, slot(SystemSlot.translatedScratch))
    } else {
      code.move(.rdx, immediate: op.immediate)
    }
    code.store(.rdx, .memory(.rcx, 0))
    moveTop(by: -8)
    return .next
  }

  private mutating func leaveFrame(_ op: OperationPointer) -> Outcome {
    guard cpu.is64Bit, op.size == 8, let rbp = RegisterMap.host(GPR.rbp) else { return .none }
    code.move(.rcx, rbp)
    translateAddress(8, isStore: false, leavingAt: op)
    code.lea(RegisterMap.rsp, .memory(rbp, 8))
    code.load(rbp, .memory(.rcx, 0))
    return .next
  }
}
