// One operation: what the cases of `interpret` do.
extension BlockTranslator {
  mutating func translate(_ op: OperationPointer) -> Outcome {
    switch op.handler {
    case .nop:
      // No guest is to be faster than its recorder's clock can tell (`EventDistance`).
      code.byte(0x90)
      hostHasFlags = hostHadFlags
      return .next
    case .stopHere: return passStop(op)
    case .mov64, .mov32, .movImm, .zero8, .zero16, .sign32, .lea64, .lea32: return move(op)
    case .load8, .load16, .load32, .load64, .loadZero8, .loadZero16, .loadSign32: return load(op)
    case .store8, .store16, .store32, .store64: return store(op)
    case .storeImm8, .storeImm16, .storeImm32, .storeImm64: return storeImmediate(op)
    case .add64, .addQuiet64: return alu(op, ALU.add, 8)
    case .add32, .addQuiet32: return alu(op, ALU.add, 4)
    case .or64, .orQuiet64: return alu(op, ALU.or, 8)
    case .or32, .orQuiet32: return alu(op, ALU.or, 4)
    case .and64, .andQuiet64: return alu(op, ALU.and, 8)
    case .and32, .andQuiet32: return alu(op, ALU.and, 4)
    case .sub64, .subQuiet64: return alu(op, ALU.sub, 8)
    case .sub32, .subQuiet32: return alu(op, ALU.sub, 4)
    case .xor64, .xorQuiet64: return alu(op, ALU.xor, 8)
    case .xor32, .xorQuiet32: return alu(op, ALU.xor, 4)
    case .addImm64, .addImmQuiet64: return aluImmediate(op, ALU.add, 8)
    case .addImm32, .addImmQuiet32: return aluImmediate(op, ALU.add, 4)
    case .orImm64: return aluImmediate(op, ALU.or, 8)
    case .orImm32: return aluImmediate(op, ALU.or, 4)
    case .andImm64, .andImmQuiet64: return aluImmediate(op, ALU.and, 8)
    case .andImm32, .andImmQuiet32: return aluImmediate(op, ALU.and, 4)
    case .subImm64, .subImmQuiet64: return aluImmediate(op, ALU.sub, 8)
    case .subImm32, .subImmQuiet32: return aluImmediate(op, ALU.sub, 4)
    case .xorImm64: return aluImmediate(op, ALU.xor, 8)
    case .xorImm32: return aluImmediate(op, ALU.xor, 4)
    case .cmp64, .cmp32, .cmpImm64, .cmpImm32, .cmpImm8, .test64, .test32, .test8, .testImm64, .testImm32, .testImm8:
      return compare(op)
    case .addLoad64: return aluLoad(op, ALU.add, 8)
    case .addLoad32: return aluLoad(op, ALU.add, 4)
    case .orLoad64: return aluLoad(op, ALU.or, 8)
    case .orLoad32: return aluLoad(op, ALU.or, 4)
    case .andLoad64: return aluLoad(op, ALU.and, 8)
    case .andLoad32: return aluLoad(op, ALU.and, 4)
    case .subLoad64: return aluLoad(op, ALU.sub, 8)
    case .subLoad32: return aluLoad(op, ALU.sub, 4)
    case .xorLoad64: return aluLoad(op, ALU.xor, 8)
    case .xorLoad32: return aluLoad(op, ALU.xor, 4)
    case .cmpLoad64: return compareLoad(op, 8)
    case .cmpLoad32: return compareLoad(op, 4)
    case .cmpMemImm64: return compareMemory(op, 8, isImmediate: true)
    case .cmpMemImm32: return compareMemory(op, 4, isImmediate: true)
    case .cmpMemImm8: return compareMemory(op, 1, isImmediate: true)
    case .cmpMemReg64: return compareMemory(op, 8, isImmediate: false)
    case .cmpMemReg32: return compareMemory(op, 4, isImmediate: false)
    case .testMemImm8: return testMemory(op)
    case .aluMemImm64: return modify(op, 8, isImmediate: true)
    case .aluMemImm32: return modify(op, 4, isImmediate: true)
    case .aluMemReg64: return modify(op, 8, isImmediate: false)
    case .aluMemReg32: return modify(op, 4, isImmediate: false)
    case .inc64, .dec64: return step(op, 8)
    case .inc32, .dec32: return step(op, 4)
    case .shl64, .shlQuiet64: return shift(op, .left, 8)
    case .shl32, .shlQuiet32: return shift(op, .left, 4)
    case .shr64, .shrQuiet64: return shift(op, .right, 8)
    case .shr32, .shrQuiet32: return shift(op, .right, 4)
    case .sar64, .sarQuiet64: return shift(op, .arithmetic, 8)
    case .sar32, .sarQuiet32: return shift(op, .arithmetic, 4)
    case .imul64: return multiply(op, 8)
    case .imul32: return multiply(op, 4)
    case .setccRegister, .cmov64, .cmov32: return conditional(op)
    case .push64: return push(op)
    case .pop64: return pop(op)
    default: return branch(op)
    }
  }

  // MARK: moves

  /// These leave the flags alone.
  private mutating func move(_ op: OperationPointer) -> Outcome {
    let isSourceKnown = op.handler == .movImm || op.handler == .lea64 || op.handler == .lea32
    let target = op.handler == .movImm ? op.rm : op.reg
    guard BlockTranslator.number(target) != nil, isSourceKnown || BlockTranslator.number(op.rm) != nil else {
      return .none
    }
    hostHasFlags = hostHadFlags
    write(target) { block, host in
      switch op.handler {
      case .movImm: block.code.move(host, immediate: op.immediate)
      case .lea64: block.lea(op, into: host)
      case .lea32: block.lea(op, into: host, size: 4)
      case .mov64: block.code.load(host, block.guest(op.rm))
      case .mov32: block.code.load(host, block.guest(op.rm), size: 4)
      case .zero8: block.code.instruction(0x1b6, host, block.guest(op.rm), size: 4, ofByte: true)
      case .zero16: block.code.instruction(0x1b7, host, block.guest(op.rm), size: 4)
      default: block.code.instruction(0x63, host, block.guest(op.rm), size: 8)
      }
    }
    return .next
  }

  private mutating func load(_ op: OperationPointer) -> Outcome {
    guard BlockTranslator.number(op.reg) != nil else { return .none }
    switch op.handler {
    case .load8, .load16:
      let size = op.handler == .load8 ? 1 : 2
      let place = operand(op, size: size)
      update(op.reg) { $0.code.load($1, place, size: size) }
    case .load32, .load64:
      let size = op.handler == .load32 ? 4 : 8
      let place = operand(op, size: size)
      write(op.reg) { $0.code.load($1, place, size: size) }
    case .loadSign32:
      let place = operand(op, size: 4)
      write(op.reg) { $0.code.instruction(0x63, $1, place, size: 8) }
    default:
      let isByte = op.handler == .loadZero8
      let place = operand(op, size: isByte ? 1 : 2)
      write(op.reg) { $0.code.instruction(isByte ? 0x1b6 : 0x1b7, $1, place, size: 4) }
    }
    return .next
  }

  private mutating func store(_ op: OperationPointer) -> Outcome {
    guard BlockTranslator.number(op.reg) != nil else { return .none }
    let size = op.handler == .store8 ? 1 : op.handler == .store16 ? 2 : op.handler == .store32 ? 4 : 8
    let place = operand(op, size: size, isStore: true)
    code.store(value(op.reg, orLoadedInto: .rdx), place, size: size)
    return .next
  }

  private mutating func storeImmediate(_ op: OperationPointer) -> Outcome {
    let size =
      op.handler == .storeImm8 ? 1 : op.handler == .storeImm16 ? 2 : op.handler == .storeImm32 ? 4 : 8
    let place = operand(op, size: size, isStore: true)
    code.move(.rdx, immediate: op.immediate)
    code.store(.rdx, place, size: size)
    return .next
  }

  // MARK: arithmetic

  private mutating func alu(_ op: OperationPointer, _ kind: UInt8, _ size: Int) -> Outcome {
    update(op.reg) { $0.code.alu(kind, $1, $0.guest(op.rm), size: size) }
    keepFlags(of: kind)
    return .next
  }

  private mutating func aluImmediate(_ op: OperationPointer, _ kind: UInt8, _ size: Int) -> Outcome {
    guard let immediate = immediate(op, size) else { return .none }
    update(op.rm) { $0.code.alu(kind, .register($1), immediate: immediate, size: size) }
    keepFlags(of: kind)
    return .next
  }

  /// The immediate as an instruction can hold it.
  func immediate(_ op: OperationPointer, _ size: Int) -> Int32? {
    size == 8 ? Int32(exactly: Int64(bitPattern: op.immediate)) : Int32(truncatingIfNeeded: op.immediate)
  }

  private mutating func aluLoad(_ op: OperationPointer, _ kind: UInt8, _ size: Int) -> Outcome {
    let place = operand(op, size: size)
    update(op.reg) { $0.code.alu(kind, $1, place, size: size) }
    keepFlags(of: kind)
    return .next
  }

  private mutating func modify(_ op: OperationPointer, _ size: Int, isImmediate: Bool) -> Outcome {
    let number = immediate(op, size)
    if isImmediate && number == nil { return .none }
    let place = operand(op, size: size, isStore: true)
    let source = isImmediate ? nil : value(op.reg, orLoadedInto: .rdx)
    if op.kind == ALU.adc || op.kind == ALU.sbb { loadCarry() }
    if let source {
      code.alu(op.kind, place, from: source, size: size)
    } else if let number {
      code.alu(op.kind, place, immediate: number, size: size)
    }
    keepFlags(of: op.kind)
    return .next
  }

  private mutating func step(_ op: OperationPointer, _ size: Int) -> Outcome {
    let isDecrement = op.handler == .dec64 || op.handler == .dec32
    loadCarry()
    update(op.rm) { $0.code.instruction(0xff, extension: isDecrement ? 1 : 0, .register($1), size: size) }
    keepFlags()
    return .next
  }

  private mutating func shift(_ op: OperationPointer, _ kind: ShiftKind, _ size: Int) -> Outcome {
    let count = op.immediate & (size == 8 ? 63 : 31)
    guard count != 0 else { return .none }
    keepSource(for: kind, guest(op.rm), size)
    update(op.rm) { $0.code.shift(kind.rawValue, $1, by: UInt8(count), size: size) }
    keepShiftFlags(kind, by: count, result: guest(op.rm), size: size)
    return .next
  }

  private mutating func multiply(_ op: OperationPointer, _ size: Int) -> Outcome {
    guard let flags = productFlags else { return .none }
    update(op.reg) { $0.code.instruction(0x1af, $1, $0.guest(op.rm), size: size) }
    keep(flags, result: guest(op.reg), size: size)
    return .next
  }

  private mutating func conditional(_ op: OperationPointer) -> Outcome {
    guard BlockTranslator.number(op.rm) != nil else { return .none }
    let condition = test(op.kind)
    hostHasFlags = hostHadFlags
    if op.handler == .setccRegister {
      code.set(condition, .rax)
      code.store(.rax, guest(op.rm), size: 1)
    } else {
      let opcode = 0x140 | UInt16(condition.code), size = op.handler == .cmov64 ? 8 : 4
      update(op.reg) { $0.code.instruction(opcode, $1, $0.guest(op.rm), size: size) }
    }
    return .next
  }

  // MARK: comparisons

  /// Compares as the host does: its flags are those of the comparison. `nil` where there is no translation.
  mutating func compareOperands(_ op: OperationPointer) -> Comparison? {
    let size: Int, isTest: Bool, isImmediate: Bool
    switch op.handler {
    case .cmp64, .cmpBranch64: (size, isTest, isImmediate) = (8, false, false)
    case .cmp32, .cmpBranch32: (size, isTest, isImmediate) = (4, false, false)
    case .cmpImm64, .cmpImmBranch64: (size, isTest, isImmediate) = (8, false, true)
    case .cmpImm32, .cmpImmBranch32: (size, isTest, isImmediate) = (4, false, true)
    case .cmpImm8, .cmpImmBranch8: (size, isTest, isImmediate) = (1, false, true)
    case .test64, .testBranch64: (size, isTest, isImmediate) = (8, true, false)
    case .test32, .testBranch32: (size, isTest, isImmediate) = (4, true, false)
    case .test8, .testBranch8: (size, isTest, isImmediate) = (1, true, false)
    case .testImm64, .testImmBranch64: (size, isTest, isImmediate) = (8, true, true)
    case .testImm32, .testImmBranch32: (size, isTest, isImmediate) = (4, true, true)
    case .testImm8, .testImmBranch8: (size, isTest, isImmediate) = (1, true, true)
    default: return nil
    }
    guard BlockTranslator.number(op.rm) != nil else { return nil }
    if isImmediate {
      guard let number = immediate(op, size) else { return nil }
      if isTest {
        code.test(guest(op.rm), immediate: number, size: size)
      } else {
        code.alu(ALU.cmp, guest(op.rm), immediate: number, size: size)
      }
    } else {
      guard BlockTranslator.number(op.reg) != nil else { return nil }
      let left = value(op.reg, orLoadedInto: .rdx)
      if isTest {
        code.test(guest(op.rm), with: left, size: size)
      } else {
        code.alu(ALU.cmp, left, guest(op.rm), size: size)
      }
    }
    return isTest ? .test : .compare
  }

  private mutating func compare(_ op: OperationPointer) -> Outcome {
    guard let comparison = compareOperands(op) else { return .none }
    keepFlags(of: comparison)
    return .next
  }

  private mutating func compareLoad(_ op: OperationPointer, _ size: Int) -> Outcome {
    let place = operand(op, size: size)
    code.alu(ALU.cmp, value(op.reg, orLoadedInto: .rdx), place, size: size)
    keepFlags()
    return .next
  }

  private mutating func compareMemory(_ op: OperationPointer, _ size: Int, isImmediate: Bool) -> Outcome {
    let number = immediate(op, size)
    if isImmediate && number == nil { return .none }
    let place = operand(op, size: size)
    if isImmediate, let number {
      code.alu(ALU.cmp, place, immediate: number, size: size)
    } else {
      code.alu(ALU.cmp, place, from: value(op.reg, orLoadedInto: .rdx), size: size)
    }
    keepFlags()
    return .next
  }

  private mutating func testMemory(_ op: OperationPointer) -> Outcome {
    let place = operand(op, size: 1)
    code.test(place, immediate: Int32(truncatingIfNeeded: op.immediate), size: 1)
    keepLogicFlags()
    return .next
  }

  // MARK: stack

  private mutating func push(_ op: OperationPointer) -> Outcome {
    guard BlockTranslator.number(op.rm) != nil else { return .none }
    stackAddress(-8, leavingAt: op)
    code.store(value(op.rm, orLoadedInto: .rdx), .memory(.rcx, 0))
    moveTop(by: -8)
    return .next
  }

  private mutating func pop(_ op: OperationPointer) -> Outcome {
    guard BlockTranslator.number(op.rm) != nil else { return .none }
    stackAddress(0, leavingAt: op)
    moveTop(by: 8)
    write(op.rm) { $0.code.load($1, .memory(.rcx, 0)) }
    return .next
  }

  mutating func moveTop(by count: Int32) { code.lea(RegisterMap.rsp, .memory(RegisterMap.rsp, count)) }
}

/// What sets the flags alone.
enum Comparison {
  case compare, test
}
