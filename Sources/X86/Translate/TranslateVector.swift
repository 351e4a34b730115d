internal import VMMCore

// SSE instructions on XMM registers: the host's, on XMM0 and XMM1. Those in this file have no exceptions of their own.
extension BlockTranslator {
  mutating func vector(_ op: OperationPointer) -> Outcome {
    if let form = LaneForm(op.instruction) { return lanes(op, form) }
    if let form = MMXForm(op.instruction) { return mmx(op, form) }
    guard op.instruction.map == 1 else { return .none }
    if let form = FloatForm(op.instruction) { return float(op, form) }
    guard let form = VectorForm(op.instruction) else { return .none }
    if case .store = form.kind, !op.isMemory, form.operand.size != 16 { return .none }
    allowVectors(op)
    let register = xmm(op.instruction.regNumber)
    switch form.kind {
    case .load:
      loadVectorOperand(op, form.operand)
      code.moveVector(to: register, size: 16, from: 1)
    case .store:
      let place = vectorOperand(op, form.operand, isStore: true)
      code.moveVector(from: register, size: 16)
      code.moveVector(to: place, size: form.operand.size)
    case .operate:
      loadVectorOperand(op, form.operand)
      operate(op, on: register, .register(HostRegister(number: 1)))
    case .operateOnMemory:
      operate(op, on: register, vectorOperand(op, form.operand, isStore: false))
    case .shift: operate(op, on: xmm(op.instruction.rmNumber), nil)
    case .toGeneral:
      loadVectorOperand(op, form.operand)
      write(UInt8(8 * op.instruction.regNumber)) { block, host in
        block.code.vector(
          op.instruction.mandatoryPrefix.byte, op.instruction.opcode, host, .register(HostRegister(number: 1)))
        if VectorForm.hasImmediate(op.instruction.opcode) { block.code.byte(UInt8(truncatingIfNeeded: op.immediate)) }
      }
    }
    return .next
  }

  /// A register of the guest's becomes what the instruction makes of it and the operand; the number of bits to shift by
  /// is an immediate, as the operands of some others.
  private mutating func operate(_ op: OperationPointer, on register: HostOperand, _ operand: HostOperand?) {
    let prefix = op.instruction.mandatoryPrefix.byte, opcode = op.instruction.opcode
    code.moveVector(from: register, size: 16)
    if let operand {
      code.vector(prefix, opcode, 0, operand)
    } else {
      // The register is the operand, and ModRM.reg says how to shift.
      code.vector(prefix, opcode, op.instruction.modRMReg, .register(HostRegister(number: 0)))
    }
    if VectorForm.hasImmediate(opcode) { code.byte(UInt8(truncatingIfNeeded: op.immediate)) }
    code.moveVector(to: register, size: 16)
  }

  /// #UD and #NM are the family's. What a block has looked at holds to its end.
  mutating func allowVectors(_ op: OperationPointer) {
    guard !vectorsAreAllowed else { return }
    code.test(slot(Slot.cr0), immediate: Int32(CR0.em | CR0.ts), size: 4)
    leave(at: op, when: .notEqual)
    code.test(slot(Slot.cr4), immediate: Int32(CR4.osfxsr), size: 4)
    leave(at: op, when: .equal)
    vectorsAreAllowed = true
  }

  func xmm(_ number: Int) -> HostOperand { slot(Slot.xmm + 2 * number) }

  /// The operand that ModRM names goes to XMM1: a register whole, so many bytes of memory.
  mutating func loadVectorOperand(_ op: OperationPointer, _ source: VectorSource) {
    let place = vectorOperand(op, source, isStore: false)
    code.moveVector(from: place, size: op.isMemory ? source.size : 16, into: 1)
  }

  private mutating func vectorOperand(_ op: OperationPointer, _ source: VectorSource, isStore: Bool) -> HostOperand {
    guard op.isMemory else { return xmm(op.instruction.rmNumber) }
    linearAddress(op)
    if source.isAligned {
      code.test(.register(.rcx), immediate: 15, size: 1)
      leave(at: op, when: .notEqual)
    }
    translateAddress(source.size, isStore: isStore, leavingAt: op)
    return .memory(.rcx, 0)
  }
}

/// What a vector instruction takes of memory: so many bytes, at a multiple of 16 or anywhere.
struct VectorSource {
  var size: Int
  var isAligned: Bool

  static var whole: VectorSource { VectorSource(size: 16, isAligned: true) }
}

/// What translated code has the host do of SSE, but for arithmetic.
private struct VectorForm {
  enum Kind {
    /// A register is loaded from another one, or from memory, the rest cleared.
    case load
    case store
    /// A register becomes what the instruction makes of it and the operand, which is loaded first.
    case operate
    /// The same, of memory as the instruction takes it: it keeps half of the register.
    case operateOnMemory
    /// The register that ModRM.rm names becomes itself shifted.
    case shift
    /// A general register becomes what is made of an XMM register.
    case toGeneral
  }
  var kind: Kind
  var operand: VectorSource

  private init(_ kind: Kind, _ size: Int = 16, isAligned: Bool = true) {
    self.kind = kind
    operand = VectorSource(size: size, isAligned: isAligned)
  }

  init?(_ op: Op) {
    switch (op.opcode, op.mandatoryPrefix) {
    case (0x10, .none), (0x10, .p66), (0x6f, .pF3), (0xf0, .pF2): self.init(.load, isAligned: false)
    case (0x28, .none), (0x28, .p66), (0x6f, .p66): self.init(.load)
    case (0x10, .pF3) where op.isMemory: self.init(.load, 4, isAligned: false)
    case (0x10, .pF2) where op.isMemory, (0x7e, .pF3) where op.isMemory: self.init(.load, 8, isAligned: false)
    case (0x11, .none), (0x11, .p66), (0x7f, .pF3): self.init(.store, isAligned: false)
    case (0x29, .none), (0x29, .p66), (0x7f, .p66), (0x2b, .none), (0x2b, .p66), (0xe7, .p66): self.init(.store)
    case (0x11, .pF3): self.init(.store, 4, isAligned: false)
    case (0x11, .pF2), (0xd6, .p66), (0x13, .none), (0x13, .p66): self.init(.store, 8, isAligned: false)
    // MOVDDUP, MOVSLDUP, MOVSHDUP.
    case (0x12, .pF2): self.init(.operate, 8, isAligned: false)
    case (0x12, .pF3), (0x16, .pF3): self.init(.operate)
    // MOVLPS and MOVHPS keep the other half; between registers they are MOVHLPS and MOVLHPS.
    case (0x12, .none), (0x16, .none), (0x12, .p66), (0x16, .p66):
      self.init(op.isMemory ? .operateOnMemory : .operate, op.isMemory ? 8 : 16, isAligned: false)
    case (0x10, .pF3), (0x10, .pF2), (0x7e, .pF3), (0x14...0x15, .none), (0x14...0x15, .p66), (0x54...0x57, .none),
      (0x54...0x57, .p66), (0x60...0x6d, .p66), (0x70, .p66), (0x70, .pF3), (0x70, .pF2), (0x74...0x76, .p66),
      (0xc6, .none), (0xc6, .p66), (0xd1...0xd5, .p66), (0xd8...0xe5, .p66), (0xe8...0xef, .p66), (0xf1...0xf6, .p66),
      (0xf8...0xfe, .p66):
      self.init(.operate)
    case (0x71...0x73, .p66): self.init(.shift)
    case (0x50, .none), (0x50, .p66), (0xc5, .p66), (0xd7, .p66): self.init(.toGeneral)
    default: return nil
    }
  }

  /// An immediate operand follows.
  static func hasImmediate(_ opcode: UInt8) -> Bool {
    opcode >= 0x70 && opcode <= 0x73 || opcode >= 0xc4 && opcode <= 0xc6
  }
}

extension MandatoryPrefix {
  /// As it stands in code; 0 for none.
  var byte: UInt8 {
    switch self {
    case .none: 0
    case .p66: 0x66
    case .pF3: 0xf3
    case .pF2: 0xf2
    }
  }
}

extension Assembler {
  /// MOVUPS, MOVQ or MOVD to XMM0 or XMM1; the rest is cleared.
  mutating func moveVector(from operand: HostOperand, size: Int, into xmm: UInt8 = 0) {
    switch size {
    case 16: vector(0, 0x10, xmm, operand)
    case 8: vector(0xf3, 0x7e, xmm, operand)
    default: vector(0x66, 0x6e, xmm, operand)
    }
  }

  /// The same from XMM0 or XMM1.
  mutating func moveVector(to operand: HostOperand, size: Int, from xmm: UInt8 = 0) {
    switch size {
    case 16: vector(0, 0x11, xmm, operand)
    case 8: vector(0x66, 0xd6, xmm, operand)
    default: vector(0x66, 0x7e, xmm, operand)
    }
  }
}
