internal import VMMCore

// ROL, ROR, SHL, SHR and SAR as they were decoded, whose flags are the reference's.
extension BlockTranslator {
  private func isReference(_ kind: UInt8) -> Bool {
    switch kind {
    case 0, 1: !cpu.differs(.rotate) && !cpu.differs(.rotateByImmediate)
    case 4, 6: !cpu.differs(.shiftLeft)
    case 5: !cpu.differs(.shiftRight)
    case 7: !cpu.differs(.shiftArithmetic)
    default: false
    }
  }

  private func shiftKind(_ kind: UInt8) -> ShiftKind? { ShiftKind(rawValue: kind == 6 ? 4 : kind) }

  mutating func shiftWhole(_ op: OperationPointer) -> Outcome {
    let size = op.size, count = op.immediate & (size == 8 ? 63 : 31)
    guard count != 0, count < UInt64(8 * size), isReference(op.kind) else { return .none }
    if let kind = shiftKind(op.kind) {
      guard op.isMemory || BlockTranslator.number(op.rm) != nil else { return .none }
      if op.isMemory {
        let place = operand(op, size: size, isStore: true)
        code.shift(kind.rawValue, place, by: UInt8(count), size: size)
      } else {
        update(op.rm) { $0.code.shift(kind.rawValue, $1, by: UInt8(count), size: size) }
      }
      keepShiftFlags(kind, by: count)
      return .next
    }
    guard size >= 4, !op.isMemory, BlockTranslator.number(op.rm) != nil else { return .none }
    update(op.rm) { $0.code.shift(op.kind, $1, by: UInt8(count), size: size) }
    keepRotateFlags(op)
    return .next
  }

  /// Of a register by what CL says; with nothing the flags stay.
  mutating func shiftByCL(_ op: OperationPointer) -> Outcome {
    let size = op.size
    guard size >= 4, !op.isMemory, BlockTranslator.number(op.rm) != nil, isReference(op.kind) else {
      return .none
    }
    code.load(.rcx, RegisterMap.operand(GPR.rcx), size: 4)
    code.alu(ALU.and, .register(.rcx), immediate: size == 8 ? 63 : 31, size: 4)
    let isNothing = code.branch(.equal)
    update(op.rm) { $0.code.instruction(0xd3, extension: op.kind, .register($1), size: size) }
    if let kind = shiftKind(op.kind) { keepShiftFlagsByCL(kind) } else { keepRotateFlags(op) }
    let isDone = code.jump()
    code.place(isNothing)
    // The upper half is cleared all the same.
    if size == 4 { update(op.rm) { $0.code.move($1, $1, size: 4) } }
    code.place(isDone)
    return .next
  }

  /// As `keepShiftFlags`, with the count, which is not zero, in CL.
  private mutating func keepShiftFlagsByCL(_ kind: ShiftKind) {
    lahf()
    switch kind {
    case .left: overflowFromSignAndCarry()
    case .right:
      code.set(.overflow, .rax)
      code.alu(ALU.cmp, .register(.rcx), immediate: 1, size: 1)
      code.set(.equal, .rdx)
      code.alu(ALU.and, .rax, .register(.rdx), size: 1)
    case .arithmetic: code.moveLow(.rax, immediate: 0)
    }
    code.alu(ALU.or, .register(.rax), immediate: HostFlags.adjust, size: 4)
    keepAX()
  }

  /// CF and OF of a rotation by its result: of ROL the lowest bit, and that xor the highest; of ROR the highest bit,
  /// and that xor the second.
  private mutating func keepRotateFlags(_ op: OperationPointer) {
    let bits = UInt8(8 * op.size), size = op.size
    let result = value(op.rm, orLoadedInto: .rdx)
    code.move(.rax, result)
    if result != .rdx { code.move(.rdx, result) }
    if op.kind == 0 {
      code.alu(ALU.and, .register(.rax), immediate: 1, size: 4)
      code.shift(ShiftKind.right.rawValue, .rdx, by: bits - 1, size: size)
      code.alu(ALU.xor, .rdx, .register(.rax), size: 4)
    } else {
      code.shift(ShiftKind.right.rawValue, .rax, by: bits - 1, size: size)
      code.shift(ShiftKind.right.rawValue, .rdx, by: bits - 2, size: size)
      code.alu(ALU.xor, .rdx, .register(.rax), size: 4)
      code.alu(ALU.and, .register(.rdx), immediate: 1, size: 4)
    }
    keepCarryAndOverflow()
  }
}
