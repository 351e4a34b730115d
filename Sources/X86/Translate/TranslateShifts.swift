internal import VMMCore

// ROL, ROR, SHL, SHR and SAR as they were decoded.
extension BlockTranslator {
  mutating func shiftWhole(_ op: OperationPointer) -> Outcome {
    let size = op.size, count = op.immediate & (size == 8 ? 63 : 31)
    guard count != 0, count < UInt64(8 * size) else { return .none }
    guard op.isMemory || BlockTranslator.number(op.rm) != nil else { return .none }
    guard let kind = ShiftKind(op.kind) else { return rotate(op, by: count) }
    guard isTranslated(kind) else { return .none }
    let place = op.isMemory ? operand(op, size: size, isStore: true) : guest(op.rm)
    keepSource(for: kind, place, size)
    if op.isMemory {
      code.shift(kind.rawValue, place, by: UInt8(count), size: size)
    } else {
      update(op.rm) { $0.code.shift(kind.rawValue, $1, by: UInt8(count), size: size) }
    }
    keepShiftFlags(kind, by: count, result: place, size: size)
    return .next
  }

  /// Of a register by what CL says; with nothing the flags stay.
  mutating func shiftByCL(_ op: OperationPointer) -> Outcome {
    let size = op.size
    guard size >= 4, !op.isMemory, BlockTranslator.number(op.rm) != nil else { return .none }
    let shift = ShiftKind(op.kind)
    let rotation = RotationFlags(op, by: nil, cpu)
    guard shift.map(isTranslated) ?? (rotation != nil) else { return .none }
    code.load(.rcx, RegisterMap.operand(GPR.rcx), size: 4)
    code.alu(ALU.and, .register(.rcx), immediate: size == 8 ? 63 : 31, size: 4)
    let isNothing = code.branch(.equal)
    if let shift { keepSource(for: shift, guest(op.rm), size) }
    if rotation == .firstPlace { code.load(.rdx, guest(op.rm), size: size) }
    update(op.rm) { $0.code.instruction(0xd3, extension: op.kind, .register($1), size: size) }
    if let shift { keepShiftFlags(shift, by: nil, result: guest(op.rm), size: size) }
    if let rotation { keep(rotation, op) }
    let isDone = code.jump()
    code.place(isNothing)
    // The upper half is cleared all the same.
    if size == 4 { update(op.rm) { $0.code.move($1, $1, size: 4) } }
    code.place(isDone)
    return .next
  }

  private mutating func rotate(_ op: OperationPointer, by count: UInt64) -> Outcome {
    let size = op.size
    guard size >= 4, !op.isMemory, let flags = RotationFlags(op, by: count, cpu) else { return .none }
    if flags == .firstPlace { code.load(.rdx, guest(op.rm), size: size) }
    update(op.rm) { $0.code.shift(op.kind, $1, by: UInt8(count), size: size) }
    keep(flags, op)
    return .next
  }

  // MARK: flags of rotations

  /// CF and OF of a rotation that the host has just done, with its source in RDX where they ask for it.
  private mutating func keep(_ flags: RotationFlags, _ op: OperationPointer) {
    guard !flagsAreDead else { return }
    switch flags {
    case .ofResult: keepRotateFlags(op)
    case .carryAlone: keepCarry()
    case .firstPlace:
      code.set(.carry, .rax)
      code.instruction(0x1b6, .rax, .register(.rax), size: 4)
      firstPlaceOverflow(isRight: op.kind == 1, op.size)
      keepCarryAndOverflow()
    }
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

  /// OF as the first place of a shift to the left or of a rotation leaves it, by the source in RDX: bit 0 of RDX, whose
  /// other bits are clear. To the left the two highest bits differ, to the right the highest and the lowest. Uses RCX.
  mutating func firstPlaceOverflow(isRight: Bool, _ size: Int) {
    let wide = max(size, 4), last = UInt8(8 * size - 1)
    code.move(.rcx, .rdx, size: wide)
    code.shift(ShiftKind.right.rawValue, .rcx, by: last, size: wide)
    if !isRight { code.shift(ShiftKind.right.rawValue, .rdx, by: last - 1, size: wide) }
    code.alu(ALU.xor, .rdx, .register(.rcx), size: 4)
    code.alu(ALU.and, .register(.rdx), immediate: 1, size: 4)
  }
}

/// How translated code finds CF and OF of a rotation.
private enum RotationFlags {
  /// Both by the result.
  case ofResult
  /// OF as the first place leaves it.
  case firstPlace
  /// OF stays.
  case carryAlone

  /// `nil` for what is the family's.
  ///
  /// - Parameter count: places; `nil` when CL says.
  init?(_ op: OperationPointer, by count: UInt64?, _ cpu: CPU) {
    guard op.kind < 2 else { return nil }
    switch cpu.rule(cpu.undefinedFlags(op.instruction))[.of] {
    case _ where count == 1: self = .ofResult
    case .onePlace: self = .ofResult
    case .firstPlace: self = .firstPlace
    case .kept where count != nil: self = .carryAlone
    default: return nil
    }
  }
}
