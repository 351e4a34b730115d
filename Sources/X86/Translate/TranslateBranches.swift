// From block to block. A way that is not there yet is the interpreter's.
extension BlockTranslator {
  mutating func branch(_ op: OperationPointer) -> Outcome {
    switch op.handler {
    case .blockEnd, .jmpDirect: follow(op)
    case .call64:
      pushReturn(op)
      follow(op)
    case .ret64: returnNear(op)
    case .jmpIndirect64, .callIndirect64: return indirect(op)
    case .cmpBranch64, .cmpBranch32, .cmpImmBranch64, .cmpImmBranch32, .cmpImmBranch8, .testBranch64, .testBranch32,
      .testBranch8, .testImmBranch64, .testImmBranch32, .testImmBranch8:
      return compareAndBranch(op)
    default:
      guard op.handler.isDirectConditional else { return translateWhole(op) }
      go(test(op.handler.condition), jcc: op)
    }
    return .end
  }

  private mutating func compareAndBranch(_ op: OperationPointer) -> Outcome {
    guard let comparison = compareOperands(op) else { return .none }
    keepFlags(of: comparison)
    let jcc = op + 1
    go(HostCondition(code: jcc.handler.condition), jcc: jcc)
    return .end
  }

  private mutating func go(_ condition: HostCondition, jcc: OperationPointer) {
    let taken = code.branch(condition)
    follow(jcc + 1)
    guard !staysInPage(jcc) else { return addWay(jcc, by: taken) }
    code.place(taken)
    follow(jcc)
  }

  /// Goes where a direct branch leads, or on to what follows the block. A block in the same page is bound to once it is
  /// translated; where another page is, the jump cache says each time.
  private mutating func follow(_ link: OperationPointer) {
    guard staysInPage(link) else { return lookUp(Way(link: link)) }
    addWay(link, by: code.jump())
  }

  private func staysInPage(_ link: OperationPointer) -> Bool {
    cpu.codeLinear(link.immediate) & ~0xfff == cpu.codeLinear(link.origin) & ~0xfff
  }

  /// Where ways lead until they are bound.
  mutating func writeUnboundWays() {
    for way in ways {
      if let branch = way.branch { code.place(branch) }
      // The interpreter has linked it: it can be bound.
      code.move(.rax, immediate: UInt64(UInt(bitPattern: way.link)))
      code.alu(ALU.cmp, .memory(.rax, Field.link), immediate: 0, size: 8)
      leave(along: way, when: .notEqual)
      lookUp(way)
    }
  }

  /// Goes where the jump cache says.
  private mutating func lookUp(_ way: Way) {
    find(way.link.immediate) { $0.leave(along: way, when: .notEqual) }
    goOn()
  }

  // MARK: calls and returns

  private mutating func pushReturn(_ op: OperationPointer) {
    stackAddress(-8, leavingAt: op)
    code.move(.rdx, immediate: op.next)
    code.store(.rdx, .memory(.rcx, 0))
    moveTop(by: -8)
  }

  private mutating func returnNear(_ op: OperationPointer) {
    stackAddress(0, leavingAt: op)
    code.load(.rdx, .memory(.rcx, 0))
    find { $0.leave(at: op, when: .notEqual) }
    moveTop(by: 8)
    goOn()
  }

  private mutating func indirect(_ op: OperationPointer) -> Outcome {
    guard op.size == 8, op.isMemory ? op.isPlainAddress : BlockTranslator.number(op.rm) != nil else { return .none }
    if op.isMemory {
      let place = operand(op, size: 8)
      code.load(.rdx, place)
    } else {
      code.load(.rdx, guest(op.rm))
    }
    find { $0.leave(at: op, when: .notEqual) }
    if op.handler == .callIndirect64 {
      code.store(.rax, slot(SystemSlot.translatedScratch))
      pushReturn(op)
      code.load(.rax, slot(SystemSlot.translatedScratch))
    }
    goOn()
    return .end
  }

  /// The jump cache's entry of the address in RDX (`CPU.go`), in RAX; `leave` leaves where there is none. An address
  /// that is in there is canonical. Uses RCX.
  private mutating func find(orLeave leave: (inout BlockTranslator) -> Void) {
    // The half of the addresses.
    code.move(.rcx, .rdx)
    code.shift(ShiftKind.right.rawValue, .rcx, by: 63, size: 8)
    code.move(.rax, .rdx, size: 4)
    code.shift(5, .rax, by: 11, size: 4)
    code.alu(ALU.xor, .rax, .register(.rdx), size: 4)
    code.alu(ALU.and, .register(.rax), immediate: Int32(JumpCache.entries - 1), size: 4)
    code.shift(4, .rax, by: UInt8((8 * JumpCache.wordsPerEntry).trailingZeroBitCount), size: 4)
    code.alu(ALU.add, .rax, .memory(RegisterMap.state, index: .rcx, scale: 3, Int32(8 * Slot.jumpCache)), size: 8)
    code.alu(ALU.cmp, .rdx, .memory(.rax, Int32(8 * JumpCache.rip)), size: 8)
    leave(&self)
    code.load(.rcx, .memory(RegisterMap.state, index: .rcx, scale: 3, Int32(8 * Slot.translationKey)))
    code.alu(ALU.cmp, .rcx, .memory(.rax, Int32(8 * JumpCache.key)), size: 8)
    leave(&self)
  }

  /// The same for an address that is known. Uses RCX and RDX.
  private mutating func find(_ target: UInt64, orLeave leave: (inout BlockTranslator) -> Void) {
    let half = AddressHalf.of(target)
    code.load(.rax, slot(Slot.jumpCache + half))
    code.alu(ALU.add, .register(.rax), immediate: Int32(8 * JumpCache.offset(target)), size: 8)
    code.move(.rdx, immediate: target)
    code.alu(ALU.cmp, .rdx, .memory(.rax, Int32(8 * JumpCache.rip)), size: 8)
    leave(&self)
    code.load(.rcx, slot(Slot.translationKey + half))
    code.alu(ALU.cmp, .rcx, .memory(.rax, Int32(8 * JumpCache.key)), size: 8)
    leave(&self)
  }

  /// Goes where the jump cache's entry in RAX says.
  private mutating func goOn() {
    code.instruction(0xff, extension: 4, .memory(.rax, Int32(8 * JumpCache.code)), size: 4)
  }
}

extension Handler {
  /// The condition of a Jcc's fast form.
  fileprivate var condition: UInt8 { UInt8(rawValue - Handler.jccO.rawValue) }
}
