// One operation: what the cases of `interpret` do.
extension BlockTranslator {
  mutating func translate(_ op: Op) -> Result {
    switch op.handler {
    case .nop:
      // No guest is to be faster than its recorder's clock can tell (`EventDistance`).
      code.byte(0x90)
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
    case .shl64, .shlQuiet64: return shift(op, 4, 8)
    case .shl32, .shlQuiet32: return shift(op, 4, 4)
    case .shr64, .shrQuiet64: return shift(op, 5, 8)
    case .shr32, .shrQuiet32: return shift(op, 5, 4)
    case .sar64, .sarQuiet64: return shift(op, 7, 8)
    case .sar32, .sarQuiet32: return shift(op, 7, 4)
    case .imul64: return multiply(op, 8)
    case .imul32: return multiply(op, 4)
    case .setccRegister, .cmov64, .cmov32: return conditional(op)
    case .push64: return push(op)
    case .pop64: return pop(op)
    default: return branch(op)
    }
  }

  // MARK: moves

  private mutating func move(_ op: Op) -> Result {
    switch op.handler {
    case .movImm: code.move(write(op.rm), immediate: op.immediate)
    case .lea64, .lea32:
      address(op, withSegment: false)
      code.move(write(op.reg), .rcx, size: op.handler == .lea64 ? 8 : 4)
    default:
      guard BlockTranslator.number(op.rm) != nil, BlockTranslator.number(op.reg) != nil else { return .none }
      let source = read(op.rm)
      let target = write(op.reg)
      switch op.handler {
      case .mov64: code.move(target, source)
      case .mov32: code.move(target, source, size: 4)
      case .zero8: code.instruction(0x1b6, target, .register(source), size: 8)
      case .zero16: code.instruction(0x1b7, target, .register(source), size: 8)
      default: code.instruction(0x63, target, .register(source), size: 8)
      }
    }
    return .next
  }

  private mutating func load(_ op: Op) -> Result {
    guard BlockTranslator.number(op.reg) != nil else { return .none }
    switch op.handler {
    case .load8, .load16:
      let size = op.handler == .load8 ? 1 : 2
      let place = operand(op, size: size)
      code.load(update(op.reg), place, size: size)
    case .load32, .load64:
      let size = op.handler == .load32 ? 4 : 8
      let place = operand(op, size: size)
      code.load(write(op.reg), place, size: size)
    case .loadSign32:
      let place = operand(op, size: 4)
      code.instruction(0x63, write(op.reg), place, size: 8)
    default:
      let isByte = op.handler == .loadZero8
      let place = operand(op, size: isByte ? 1 : 2)
      code.instruction(isByte ? 0x1b6 : 0x1b7, write(op.reg), place, size: 4)
    }
    return .next
  }

  private mutating func store(_ op: Op) -> Result {
    guard BlockTranslator.number(op.reg) != nil else { return .none }
    let size = op.handler == .store8 ? 1 : op.handler == .store16 ? 2 : op.handler == .store32 ? 4 : 8
    let source = read(op.reg)
    let place = operand(op, size: size, isStore: true)
    code.store(source, place, size: size)
    return .next
  }

  private mutating func storeImmediate(_ op: Op) -> Result {
    let size =
      op.handler == .storeImm8 ? 1 : op.handler == .storeImm16 ? 2 : op.handler == .storeImm32 ? 4 : 8
    let place = operand(op, size: size, isStore: true)
    code.move(.rdx, immediate: op.immediate)
    code.store(.rdx, place, size: size)
    return .next
  }

  // MARK: arithmetic

  /// What the interpreter leaves out too.
  private func isQuiet(_ op: Op) -> Bool {
    op.handler.rawValue >= Handler.addQuiet64.rawValue && op.handler.rawValue <= Handler.sarQuiet32.rawValue
  }

  private mutating func storeFlags(of kind: UInt8, _ result: HostRegister, size: Int) {
    if kind == ALU.or || kind == ALU.and || kind == ALU.xor {
      storeLogicFlags(result, size: size)
    } else {
      storeFlags(result, size: size)
    }
  }

  private mutating func alu(_ op: Op, _ kind: UInt8, _ size: Int) -> Result {
    let source = read(op.rm)
    let target = update(op.reg)
    code.alu(kind, target, .register(source), size: size)
    if !isQuiet(op) { storeFlags(of: kind, target, size: size) }
    return .next
  }

  private mutating func aluImmediate(_ op: Op, _ kind: UInt8, _ size: Int) -> Result {
    guard let immediate = immediate(op, size) else { return .none }
    let target = update(op.rm)
    code.alu(kind, .register(target), immediate: immediate, size: size)
    if !isQuiet(op) { storeFlags(of: kind, target, size: size) }
    return .next
  }

  /// The immediate as an instruction can hold it.
  func immediate(_ op: Op, _ size: Int) -> Int32? {
    size == 8 ? Int32(exactly: Int64(bitPattern: op.immediate)) : Int32(truncatingIfNeeded: op.immediate)
  }

  private mutating func aluLoad(_ op: Op, _ kind: UInt8, _ size: Int) -> Result {
    let place = operand(op, size: size)
    let target = update(op.reg)
    code.alu(kind, target, place, size: size)
    storeFlags(of: kind, target, size: size)
    return .next
  }

  private mutating func modify(_ op: Op, _ size: Int, isImmediate: Bool) -> Result {
    let number = immediate(op, size)
    if isImmediate && number == nil { return .none }
    let source = isImmediate ? nil : read(op.reg)
    let place = operand(op, size: size, isStore: true)
    if op.kind == ALU.adc || op.kind == ALU.sbb { loadCarry() }
    if let source {
      code.alu(op.kind, place, from: source, size: size)
    } else if let number {
      code.alu(op.kind, place, immediate: number, size: size)
    }
    code.load(.rdx, place, size: size)
    storeFlags(of: op.kind, .rdx, size: size)
    return .next
  }

  private mutating func step(_ op: Op, _ size: Int) -> Result {
    let target = update(op.rm)
    let isDecrement = op.handler == .dec64 || op.handler == .dec32
    loadCarry()
    code.instruction(0xff, extension: isDecrement ? 1 : 0, .register(target), size: size)
    storeFlags(target, size: size)
    return .next
  }

  private mutating func shift(_ op: Op, _ kind: UInt8, _ size: Int) -> Result {
    let count = op.immediate & (size == 8 ? 63 : 31)
    guard count != 0 else { return .none }
    let target = update(op.rm)
    code.shift(kind, target, by: UInt8(count), size: size)
    if !isQuiet(op) { storeShiftFlags(target, size: size, kind: kind, by: count) }
    return .next
  }

  private mutating func multiply(_ op: Op, _ size: Int) -> Result {
    let source = read(op.rm)
    let target = update(op.reg)
    code.instruction(0x1af, target, .register(source), size: size)
    storeProductFlags()
    return .next
  }

  private mutating func conditional(_ op: Op) -> Result {
    guard BlockTranslator.number(op.rm) != nil else { return .none }
    if op.handler == .setccRegister {
      let target = update(op.rm)
      let condition = test(op.kind)
      code.set(condition, .rax)
      code.store(.rax, .register(target), size: 1)
      return .next
    }
    let source = read(op.rm)
    let target = update(op.reg)
    let condition = test(op.kind)
    code.instruction(0x140 | UInt16(condition.code), target, .register(source), size: op.handler == .cmov64 ? 8 : 4)
    return .next
  }

  // MARK: comparisons

  /// Compares as the host does: its flags are those of the comparison, RDX holds the result. `nil` where there is no
  /// translation.
  mutating func compareOperands(_ op: Op) -> (size: Int, isTest: Bool)? {
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
    let kind = isTest ? ALU.and : ALU.sub
    guard BlockTranslator.number(op.rm) != nil else { return nil }
    if isImmediate {
      guard let number = immediate(op, size) else { return nil }
      code.move(.rdx, read(op.rm))
      code.alu(kind, .register(.rdx), immediate: number, size: size)
    } else {
      guard BlockTranslator.number(op.reg) != nil else { return nil }
      let (left, right) = (read(op.reg), read(op.rm))
      code.move(.rdx, left)
      code.alu(kind, .rdx, .register(right), size: size)
    }
    return (size, isTest)
  }

  private mutating func compare(_ op: Op) -> Result {
    guard let (size, isTest) = compareOperands(op) else { return .none }
    storeFlags(of: isTest ? ALU.and : ALU.sub, .rdx, size: size)
    return .next
  }

  private mutating func compareLoad(_ op: Op, _ size: Int) -> Result {
    let left = read(op.reg)
    let place = operand(op, size: size)
    code.move(.rdx, left)
    code.alu(ALU.sub, .rdx, place, size: size)
    storeFlags(.rdx, size: size)
    return .next
  }

  private mutating func compareMemory(_ op: Op, _ size: Int, isImmediate: Bool) -> Result {
    let number = immediate(op, size)
    if isImmediate && number == nil { return .none }
    let right = isImmediate ? nil : read(op.reg)
    let place = operand(op, size: size)
    code.load(.rdx, place, size: size)
    if let right {
      code.alu(ALU.sub, .rdx, .register(right), size: size)
    } else if let number {
      code.alu(ALU.sub, .register(.rdx), immediate: number, size: size)
    }
    storeFlags(.rdx, size: size)
    return .next
  }

  private mutating func testMemory(_ op: Op) -> Result {
    let place = operand(op, size: 1)
    code.load(.rdx, place, size: 1)
    code.alu(ALU.and, .register(.rdx), immediate: Int32(truncatingIfNeeded: op.immediate), size: 1)
    storeLogicFlags(.rdx, size: 1)
    return .next
  }

  // MARK: stack

  private mutating func push(_ op: Op) -> Result {
    let value = read(op.rm)
    let top = registers.read(GPR.rsp, &code)
    code.lea(.rcx, .memory(top, -8))
    translateAddress(8, isStore: true, leavingAt: op)
    code.store(value, .memory(.rcx, 0))
    code.alu(ALU.sub, .register(registers.update(GPR.rsp, &code)), immediate: 8, size: 8)
    return .next
  }

  private mutating func pop(_ op: Op) -> Result {
    let top = registers.read(GPR.rsp, &code)
    code.move(.rcx, top)
    translateAddress(8, isStore: false, leavingAt: op)
    code.load(.rdx, .memory(.rcx, 0))
    code.alu(ALU.add, .register(registers.update(GPR.rsp, &code)), immediate: 8, size: 8)
    code.move(write(op.rm), .rdx)
    return .next
  }
}
