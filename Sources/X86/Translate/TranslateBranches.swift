// From block to block. A way that is not there yet, or that the budget does not cover, is the interpreter's.
extension BlockTranslator {
  mutating func branch(_ op: Op) -> Result {
    switch op.handler {
    case .blockEnd, .jmpDirect:
      registers.flush(&code)
      follow(op, leavingAt: op)
    case .call64: call(op)
    case .ret64: returnNear(op)
    case .jmpIndirect64, .callIndirect64: return indirect(op)
    case .cmpBranch64, .cmpBranch32, .cmpImmBranch64, .cmpImmBranch32, .cmpImmBranch8, .testBranch64, .testBranch32,
      .testBranch8, .testImmBranch64, .testImmBranch32, .testImmBranch8:
      return compareAndBranch(op)
    default:
      guard op.handler.isDirectConditional else { return .none }
      registers.flush(&code)
      let condition = test(UInt8(op.handler.rawValue - Handler.jccO.rawValue))
      go(condition, jcc: op)
    }
    return .end
  }

  private mutating func compareAndBranch(_ op: Op) -> Result {
    guard let (size, isTest) = compareOperands(op) else { return .none }
    if isTest { storeLogicFlags(.rdx, size: size) } else { storeFlags(.rdx, size: size) }
    registers.flush(&code)
    _ = compareOperands(op)
    let jcc = op + 1
    go(HostCondition(code: UInt8(jcc.handler.rawValue - Handler.jccO.rawValue)), jcc: jcc)
    return .end
  }

  private mutating func go(_ condition: HostCondition, jcc: Op) {
    let taken = code.branch(condition)
    follow(jcc + 1, leavingAt: jcc)
    code.place(taken)
    follow(jcc, leavingAt: jcc)
  }

  /// Goes where a link leads; everything is written back.
  private mutating func follow(_ link: Op, leavingAt op: Op) {
    loadLink(link, leavingAt: op)
    takeBudget(target: .rax, rest: .rdx, leavingAt: op)
    enter(target: .rax, rest: .rdx)
  }

  /// The operation that a link leads to, in RAX: where there is no link, by the jump cache.
  private mutating func loadLink(_ link: Op, leavingAt op: Op) {
    code.load(.rax, .memory(RegisterCache.arena, offset(link) + Field.displacement))
    code.alu(ALU.or, .rax, .register(.rax), size: 8)
    let isLinked = code.branch(.notEqual)
    code.move(.rdx, immediate: link.immediate)
    find(into: .rax, leavingAt: op)
    code.place(isLinked)
  }

  /// Leaves when the block at `target` is not translated, or the budget does not cover it. Uses RCX.
  private mutating func takeBudget(target: HostRegister, rest: HostRegister, leavingAt op: Op) {
    compareHandler(.memory(target, Field.handler), with: .translated)
    leave(at: op, when: .notEqual)
    code.instruction(0x1b6, .rcx, .memory(target, Field.left), size: 4)
    code.load(rest, slot(Slot.remaining))
    code.alu(ALU.sub, rest, .register(.rcx), size: 8)
    leave(at: op, when: .sign)
  }

  private mutating func enter(target: HostRegister, rest: HostRegister) {
    code.store(rest, slot(Slot.remaining))
    code.instruction(0xff, extension: 4, .memory(target, Field.immediate), size: 4)
  }

  /// Byte offsets in an `Instruction`.
  private enum Field {
    static let handler = offset(\Instruction.handler)
    static let left = offset(\Instruction.left)
    static let displacement = offset(\Instruction.displacement)
    static let immediate = offset(\Instruction.immediate)

    private static func offset(_ field: PartialKeyPath<Instruction>) -> Int32 {
      Int32(MemoryLayout<Instruction>.offset(of: field) ?? 0)
    }
  }

  // MARK: stops

  /// Goes by the address to stop at when the stop is for other registers than these (`CPU.isFilteredOut`): looking for
  /// a state costs some nanoseconds each time that its place is come to. All else is the interpreter's.
  mutating func passStop(_ op: Op) -> Result {
    code.alu(ALU.cmp, slot(SystemSlot.hasFilter), immediate: 0, size: 8)
    leave(at: op, when: .equal)
    code.alu(ALU.cmp, slot(Slot.codeBase), immediate: 0, size: 8)
    leave(at: op, when: .notEqual)
    code.move(.rax, immediate: op.rip)
    code.alu(ALU.cmp, .rax, slot(SystemSlot.filterAddress), size: 8)
    leave(at: op, when: .notEqual)
    var passes: [Assembler.Branch] = []
    for number in 0..<16 {
      code.load(.rax, slot(Slot.gpr + number))
      code.alu(ALU.cmp, .rax, slot(SystemSlot.filterRegisters + number), size: 8)
      passes.append(code.branch(.notEqual))
    }
    leave(at: op)
    for pass in passes { code.place(pass) }
    return .next
  }

  // MARK: calls and returns

  private mutating func call(_ op: Op) {
    registers.flush(&code)
    let (target, rest) = (registers.temporary(&code), registers.temporary(&code))
    loadLink(op, leavingAt: op)
    code.move(target, .rax)
    takeBudget(target: target, rest: rest, leavingAt: op)
    pushReturn(op)
    enter(target: target, rest: rest)
  }

  /// Everything is written back, RSP too.
  private mutating func pushReturn(_ op: Op) {
    let top = registers.read(GPR.rsp, &code)
    code.lea(.rcx, .memory(top, -8))
    translateAddress(8, isStore: true, leavingAt: op)
    code.move(.rdx, immediate: op.next)
    code.store(.rdx, .memory(.rcx, 0))
    moveTop(by: -8)
  }

  private mutating func moveTop(by count: Int32) {
    code.alu(ALU.add, slot(GPR.rsp), immediate: count, size: 8)
  }

  private mutating func returnNear(_ op: Op) {
    registers.flush(&code)
    let (target, rest) = (registers.temporary(&code), registers.temporary(&code))
    code.move(.rcx, registers.read(GPR.rsp, &code))
    translateAddress(8, isStore: false, leavingAt: op)
    code.load(.rdx, .memory(.rcx, 0))
    find(into: target, leavingAt: op)
    takeBudget(target: target, rest: rest, leavingAt: op)
    moveTop(by: 8)
    enter(target: target, rest: rest)
  }

  private mutating func indirect(_ op: Op) -> Result {
    guard op.size == 8, op.isMemory ? op.isPlainAddress : BlockTranslator.number(op.rm) != nil else { return .none }
    registers.flush(&code)
    let (target, rest) = (registers.temporary(&code), registers.temporary(&code))
    if op.isMemory {
      let place = operand(op, size: 8)
      code.load(.rdx, place)
    } else {
      code.move(.rdx, read(op.rm))
    }
    find(into: target, leavingAt: op)
    takeBudget(target: target, rest: rest, leavingAt: op)
    if op.handler == .callIndirect64 { pushReturn(op) }
    enter(target: target, rest: rest)
    return .end
  }

  /// The jump cache's way to the address in RDX (`CPU.go`). An address that is in there is canonical.
  private mutating func find(into target: HostRegister, leavingAt op: Op) {
    code.move(.rax, .rdx)
    code.shift(5, .rax, by: 11, size: 8)
    code.alu(ALU.xor, .rax, .register(.rdx), size: 8)
    code.alu(ALU.and, .register(.rax), immediate: Int32(BlockCache.jumpEntries - 1), size: 4)
    code.shift(4, .rax, by: 5, size: 4)
    code.alu(ALU.add, .rax, slot(Slot.jumpCache), size: 8)
    code.alu(ALU.cmp, .rdx, .memory(.rax, 0), size: 8)
    leave(at: op, when: .notEqual)
    code.load(.rcx, slot(Slot.translationKey))
    code.alu(ALU.cmp, .rcx, .memory(.rax, 8), size: 8)
    leave(at: op, when: .notEqual)
    code.load(target, .memory(.rax, 16))
  }
}
