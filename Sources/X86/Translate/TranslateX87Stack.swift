internal import VMMCore

// What translated x87 instructions have in common. Each takes its operands from the state block to the host's stack,
// and its result back from there: between instructions the host's stack is empty. RDX has TOP meanwhile, RCX the
// operand's address or the number of a second register.
extension BlockTranslator {
  /// From here on the host's control word is the guest's, up to the next call or way out of translated code
  /// (`SharedCode.closeFloats`), and no exception is unmasked or pending. Leaves at `op` where one is, where the guest
  /// may not use the x87, or where the control word asks for the precision that is reserved.
  mutating func openX87(_ op: OperationPointer) {
    guard !x87IsOpen else { return }
    code.test(slot(SystemSlot.floatsAreOpen), immediate: OpenFloats.x87, size: 4)
    let isOpen = code.branch(.notEqual)
    code.test(slot(Slot.cr0), immediate: Int32(CR0.em | CR0.ts), size: 4)
    leave(at: op, when: .notEqual)
    code.test(slot(Slot.fsw), immediate: Int32(X87Status.summary), size: 4)
    leave(at: op, when: .notEqual)
    code.load(.rax, slot(Slot.fcw), size: 4)
    refuseControl(op)
    // Other code may have raised flags, or the last instructions here, which the guest's status word has already.
    code.word16(0xe2db)
    code.loadX87Control(slot(Slot.fcw))
    code.alu(ALU.or, slot(SystemSlot.floatsAreOpen), immediate: OpenFloats.x87, size: 4)
    code.place(isOpen)
    x87IsOpen = true
  }

  /// Leaves at `op` where the control word in RAX, which is lost, is none that translated code runs under.
  private mutating func refuseControl(_ op: OperationPointer) {
    code.alu(ALU.and, .register(.rax), immediate: 0x33f, size: 4)
    var known: [Assembler.Branch] = []
    for word: Int32 in [0x33f, 0x23f] {
      code.alu(ALU.cmp, .register(.rax), immediate: word, size: 4)
      known.append(code.branch(.equal))
    }
    code.alu(ALU.cmp, .register(.rax), immediate: 0x3f, size: 4)
    leave(at: op, when: .notEqual)
    for branch in known { code.place(branch) }
  }

  /// FLDCW.
  mutating func loadControl(_ op: OperationPointer) -> Outcome {
    openX87(op)
    let place = operand(op, size: 2)
    code.instruction(0x1b7, .rcx, place, size: 4)
    code.move(.rax, .rcx, size: 4)
    refuseControl(op)
    code.alu(ALU.and, .register(.rcx), immediate: 0x1f3f, size: 4)
    code.alu(ALU.or, .register(.rcx), immediate: 0x40, size: 4)
    code.store(.rcx, slot(Slot.fcw))
    code.loadX87Control(slot(Slot.fcw))
    code.alu(ALU.and, slot(SystemSlot.hasX87Error), immediate: 0, size: 4)
    return .next
  }

  /// The status word with TOP in it, in RAX. Uses RDX.
  mutating func loadStatus() {
    code.load(.rax, slot(Slot.fsw), size: 4)
    code.alu(ALU.and, .register(.rax), immediate: ~Int32(X87Status.top), size: 4)
    code.load(.rdx, slot(Slot.fpuTop), size: 4)
    code.shift(ShiftKind.left.rawValue, .rdx, by: 11, size: 4)
    code.alu(ALU.or, .rax, .register(.rdx), size: 4)
  }

  // MARK: operands

  /// The memory operand's host address, in RCX; the offset that FDP will be is kept. Uses RAX and RDX.
  mutating func x87Operand(_ op: OperationPointer, size: Int, isStore: Bool = false) -> HostOperand {
    lea(op, into: .rcx)
    code.store(.rcx, slot(SystemSlot.translatedScratch))
    if op.segmentSlot != 128 { code.alu(ALU.add, .rcx, slot(Int(op.segmentSlot >> 3)), size: 8) }
    translateAddress(size, isStore: isStore, leavingAt: op)
    return .memory(.rcx, 0)
  }

  /// RDX is TOP; leaves at `op` where ST0 is empty. Uses RAX.
  mutating func takeTop(_ op: OperationPointer) {
    code.load(.rdx, slot(Slot.fpuTop), size: 4)
    code.load(.rax, slot(Slot.ftw), size: 4)
    refuse(op, .rdx, whenInUse: false)
  }

  /// The same, and RCX is the number of ST(i), which may not be empty either, if that is asked for.
  mutating func takeTop(_ op: OperationPointer, and position: Int, isTaken: Bool = true) {
    takeTop(op)
    physical(position)
    if isTaken { refuse(op, .rcx, whenInUse: false) }
  }

  /// RDX is TOP after a push; leaves at `op` where that register is in use. ST(i), if one is given, is in RCX, and may
  /// not be empty. Uses RAX.
  mutating func takeNextTop(_ op: OperationPointer, from position: Int? = nil) {
    code.load(.rdx, slot(Slot.fpuTop), size: 4)
    code.load(.rax, slot(Slot.ftw), size: 4)
    if let position {
      physical(position)
      refuse(op, .rcx, whenInUse: false)
    }
    code.alu(ALU.sub, .register(.rdx), immediate: 1, size: 4)
    code.alu(ALU.and, .register(.rdx), immediate: 7, size: 4)
    refuse(op, .rdx, whenInUse: true)
  }

  /// RCX is the number of ST(i), with TOP in RDX.
  private mutating func physical(_ position: Int) {
    code.lea(.rcx, .memory(.rdx, Int32(position)), size: 4)
    code.alu(ALU.and, .register(.rcx), immediate: 7, size: 4)
  }

  /// Leaves at `op` by the tag of a register, with all of them in RAX.
  private mutating func refuse(_ op: OperationPointer, _ number: HostRegister, whenInUse isInUse: Bool) {
    code.instruction(0x1a3, number, .register(.rax), size: 4)
    leave(at: op, when: isInUse ? .carry : HostCondition.carry.negated)
  }

  /// Where the register is whose number is in a register; another one, or itself, is used to tell.
  mutating func x87Register(_ number: HostRegister, through index: HostRegister) -> HostOperand {
    code.lea(index, .memory(number, index: number, scale: 0, 0), size: 4)
    return .memory(RegisterMap.state, index: index, scale: 3, Int32(8 * Slot.x87Registers))
  }

  mutating func pushToHost(_ place: HostOperand) { code.instruction(0xdb, extension: 5, place, size: 4) }
  mutating func popFromHost(_ place: HostOperand) { code.instruction(0xdb, extension: 7, place, size: 4) }

  /// An instruction without an operand in memory.
  mutating func hostX87(_ opcode: UInt8, _ modRM: UInt8) {
    code.byte(opcode)
    code.byte(modRM)
  }

  // MARK: results

  /// AX is the host's status word.
  mutating func takeHostStatus() { hostX87(0xdf, 0xe0) }

  /// The exceptions that AX tells of are added to the guest's status word; these of its condition codes become as
  /// there. Uses RCX.
  mutating func keepStatus(_ codes: UInt16 = X87Status.c1) {
    code.alu(ALU.and, .register(.rax), immediate: Int32(codes | 0x3f), size: 4)
    code.load(.rcx, slot(Slot.fsw), size: 4)
    code.alu(ALU.and, .register(.rcx), immediate: ~Int32(codes), size: 4)
    code.alu(ALU.or, .rcx, .register(.rax), size: 4)
    code.store(.rcx, slot(Slot.fsw))
  }

  mutating func clearC1() {
    code.alu(ALU.and, slot(Slot.fsw), immediate: ~Int32(X87Status.c1), size: 4)
  }

  /// The register whose number is in a register is in use from now on. Uses RAX.
  mutating func markInUse(_ number: HostRegister) {
    code.load(.rax, slot(Slot.ftw), size: 4)
    code.instruction(0x1ab, number, .register(.rax), size: 4)
    code.store(.rax, slot(Slot.ftw))
  }

  /// The register that RDX names is ST0 from now on. Uses RAX.
  mutating func finishPush() {
    markInUse(.rdx)
    code.store(.rdx, slot(Slot.fpuTop))
  }

  /// With TOP in RDX. Uses RAX.
  mutating func pop(_ count: Int) {
    guard count > 0 else { return }
    code.load(.rax, slot(Slot.ftw), size: 4)
    for _ in 0..<count {
      code.instruction(0x1b3, .rdx, .register(.rax), size: 4)
      code.alu(ALU.add, .register(.rdx), immediate: 1, size: 4)
      code.alu(ALU.and, .register(.rdx), immediate: 7, size: 4)
    }
    code.store(.rax, slot(Slot.ftw))
    code.store(.rdx, slot(Slot.fpuTop))
  }

  /// FIP, FOP and FDP (`X87Unit.notePlace`): no exception is pending. Uses RAX.
  mutating func notePlace(_ op: OperationPointer) -> Outcome {
    code.move(.rax, immediate: op.rip)
    code.store(.rax, slot(Slot.fip))
    guard !cpu.does(.notesX87OperandsOfErrors) else { return .next }
    code.instruction(0xc7, extension: 0, slot(Slot.fop), size: 8)
    code.word32(UInt32(op.instruction.opcode & 7) << 8 | UInt32(op.instruction.modRM))
    if op.isMemory {
      code.load(.rax, slot(SystemSlot.translatedScratch))
      code.store(.rax, slot(Slot.fdp))
    }
    return .next
  }
}

extension Assembler {
  mutating func loadX87Control(_ operand: HostOperand) { instruction(0xd9, extension: 5, operand, size: 4) }
}
