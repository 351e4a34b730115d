internal import VMMCore

// SSE instructions on XMM registers that have no exceptions of their own: the host's, on XMM0.
extension BlockTranslator {
  mutating func vector(_ op: OperationPointer) -> Outcome {
    guard op.instruction.map == 1, let form = VectorForm(op) else { return .none }
    // #UD and #NM are the family's.
    code.test(slot(Slot.cr0), immediate: Int32(CR0.em | CR0.ts), size: 4)
    leave(at: op, when: .notEqual)
    code.test(slot(Slot.cr4), immediate: Int32(CR4.osfxsr), size: 4)
    leave(at: op, when: .equal)
    switch form {
    case .load(let size, let isAligned):
      guard let source = vectorOperand(op, size: size, isAligned: isAligned) else { return .none }
      code.moveVector(from: source, size: size)
      code.moveVector(to: xmm(op.instruction.regNumber), size: 16)
    case .store(let size, let isAligned):
      guard op.isMemory || size == 16,
        let place = vectorOperand(op, size: size, isAligned: isAligned, isStore: true)
      else { return .none }
      code.moveVector(from: xmm(op.instruction.regNumber), size: 16)
      code.moveVector(to: place, size: size)
    case .operate(let prefix):
      guard let source = vectorOperand(op, size: 16, isAligned: true) else { return .none }
      code.moveVector(from: source, size: 16, into: 1)
      code.moveVector(from: xmm(op.instruction.regNumber), size: 16)
      code.vector(prefix, op.instruction.opcode, 0, .register(HostRegister(number: 1)))
      code.moveVector(to: xmm(op.instruction.regNumber), size: 16)
    }
    return .next
  }

  private func xmm(_ number: Int) -> HostOperand { slot(Slot.xmm + 2 * number) }

  private mutating func vectorOperand(_ op: OperationPointer, size: Int, isAligned: Bool, isStore: Bool = false)
    -> HostOperand?
  {
    guard op.isMemory else { return size == 16 ? xmm(op.instruction.rmNumber) : nil }
    linearAddress(op)
    if isAligned {
      code.test(.register(.rcx), immediate: 15, size: 1)
      leave(at: op, when: .notEqual)
    }
    translateAddress(size, isStore: isStore, leavingAt: op)
    return .memory(.rcx, 0)
  }
}

/// What translated code has the host do of SSE.
private enum VectorForm {
  /// A register is loaded from another one, or from so many bytes of memory, the rest cleared.
  case load(size: Int, isAligned: Bool)
  case store(size: Int, isAligned: Bool)
  /// A register becomes what an instruction with this prefix makes of it and the operand.
  case operate(prefix: UInt8)

  init?(_ op: OperationPointer) {
    switch (op.instruction.opcode, op.instruction.mandatoryPrefix) {
    case (0x10, .none), (0x10, .p66), (0x6f, .pF3): self = .load(size: 16, isAligned: false)
    case (0x28, .none), (0x28, .p66), (0x6f, .p66): self = .load(size: 16, isAligned: true)
    case (0x10, .pF3) where op.isMemory: self = .load(size: 4, isAligned: false)
    case (0x10, .pF2) where op.isMemory, (0x7e, .pF3) where op.isMemory: self = .load(size: 8, isAligned: false)
    case (0x11, .none), (0x11, .p66), (0x7f, .pF3): self = .store(size: 16, isAligned: false)
    case (0x29, .none), (0x29, .p66), (0x7f, .p66), (0x2b, .none), (0x2b, .p66), (0xe7, .p66):
      self = .store(size: 16, isAligned: true)
    case (0x11, .pF3): self = .store(size: 4, isAligned: false)
    case (0x11, .pF2), (0xd6, .p66): self = .store(size: 8, isAligned: false)
    case (0x54...0x57, .none): self = .operate(prefix: 0)
    case (0x54...0x57, .p66), (0x60...0x6d, .p66), (0x74...0x76, .p66), (0xd1...0xd5, .p66), (0xd8...0xe5, .p66),
      (0xe8...0xef, .p66), (0xf1...0xf6, .p66), (0xf8...0xfe, .p66):
      self = .operate(prefix: 0x66)
    default: return nil
    }
  }
}

extension Assembler {
  /// MOVUPS, MOVQ or MOVD to XMM0 or XMM1; the rest is cleared.
  fileprivate mutating func moveVector(from operand: HostOperand, size: Int, into xmm: UInt8 = 0) {
    switch size {
    case 16: vector(0, 0x10, xmm, operand)
    case 8: vector(0xf3, 0x7e, xmm, operand)
    default: vector(0x66, 0x6e, xmm, operand)
    }
  }

  /// The same from XMM0.
  fileprivate mutating func moveVector(to operand: HostOperand, size: Int) {
    switch size {
    case 16: vector(0, 0x11, 0, operand)
    case 8: vector(0x66, 0xd6, 0, operand)
    default: vector(0x66, 0x7e, 0, operand)
    }
  }
}
