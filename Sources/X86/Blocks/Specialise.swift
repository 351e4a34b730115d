internal import VMMCore

/// Gives the instructions of a block their fast forms: one handler for each common operation, size and kind of operand,
/// without flags where nothing can see them, and comparisons joined with the branch behind them.
struct Specialiser {
  let cpu: CPU
  /// The fast forms of shifts and of IMUL leave undefined flags as the reference does.
  private let hasReferenceShifts: Bool
  private let hasReferenceProducts: Bool

  init(cpu: CPU) {
    self.cpu = cpu
    hasReferenceShifts = !(cpu.differs(.shiftLeft) || cpu.differs(.shiftRight) || cpu.differs(.shiftArithmetic))
    hasReferenceProducts = !cpu.differs(.multiply)
  }

  func specialise(_ first: OperationPointer, count: Int) {
    let kept = cpu.withCode { $0.keptFlags }
    var live = FlagSet.all
    for number in stride(from: count - 1, through: 0, by: -1) {
      let op = first + number
      let effect = FlagEffect(op, kept)
      let dead = !effect.writes.isEmpty && effect.writes.isDisjoint(with: live)
      op.pointee.flagsAreDead = dead
      live = effect.leaves ? .all : live.subtracting(effect.kills).union(effect.reads)
      if op.handler == .jcc && number > 0 && fuse(first + (number - 1), op) { continue }
      if let handler = fastForm(op, flags: !dead) { op.pointee.handler = handler }
    }
  }

  private func fastForm(_ op: OperationPointer, flags: Bool) -> Handler? {
    switch op.handler {
    case .aluRMReg, .aluRegRM, .aluRMImm: return arithmetic(op, flags)
    case .testRMReg, .testRMImm: return test(op)
    case .movRMReg, .movRegRM, .movRMImm: return move(op)
    case .movzx, .movsx: return extend(op)
    case .lea: return op.isPlainAddress ? (op.size == 8 ? .lea64 : op.size == 4 ? .lea32 : nil) : nil
    case .unaryRM: return unary(op, flags)
    case .shiftRMImm: return shift(op, flags)
    case .pushRM: return cpu.is64Bit && op.size == 8 && !op.isMemory ? .push64 : nil
    case .popRM: return cpu.is64Bit && op.size == 8 && !op.isMemory ? .pop64 : nil
    case .jmp, .jcc, .call, .ret, .jmpRM, .callRM: return branch(op)
    case .setcc: return op.isMemory ? nil : .setccRegister
    case .cmov: return op.isMemory || op.size < 4 ? nil : op.size == 8 ? .cmov64 : .cmov32
    case .imulRegRM:
      return op.isMemory || !hasReferenceProducts ? nil : op.size == 8 ? .imul64 : op.size == 4 ? .imul32 : nil
    default: return nil
    }
  }

  // MARK: Arithmetic

  private func arithmetic(_ op: OperationPointer, _ flags: Bool) -> Handler? {
    guard op.size >= 4 else { return op.size == 1 && op.kind == ALU.cmp ? compareByte(op) : nil }
    let wide = op.size == 8
    if op.isMemory {
      guard op.isPlainAddress else { return nil }
      if op.handler == .aluRegRM { return load(op.kind, wide) }
      if op.kind == ALU.cmp {
        return op.handler == .aluRMImm ? (wide ? .cmpMemImm64 : .cmpMemImm32) : (wide ? .cmpMemReg64 : .cmpMemReg32)
      }
      return op.handler == .aluRMImm ? (wide ? .aluMemImm64 : .aluMemImm32) : (wide ? .aluMemReg64 : .aluMemReg32)
    }
    if op.handler == .aluRMImm { return immediate(op.kind, wide, flags) }
    // Both directions become: reg, the destination, and rm, the source.
    let known = register(op.kind, wide, flags)
    if known != nil && op.handler == .aluRMReg { swap(&op.pointee.reg, &op.pointee.rm) }
    return known
  }

  private func compareByte(_ op: OperationPointer) -> Handler? {
    if op.isMemory { return op.handler == .aluRMImm && op.isPlainAddress ? .cmpMemImm8 : nil }
    return op.handler == .aluRMImm ? .cmpImm8 : nil
  }

  private func register(_ kind: UInt8, _ wide: Bool, _ flags: Bool) -> Handler? {
    switch kind {
    case ALU.add: flags ? (wide ? .add64 : .add32) : (wide ? .addQuiet64 : .addQuiet32)
    case ALU.or: flags ? (wide ? .or64 : .or32) : (wide ? .orQuiet64 : .orQuiet32)
    case ALU.and: flags ? (wide ? .and64 : .and32) : (wide ? .andQuiet64 : .andQuiet32)
    case ALU.sub: flags ? (wide ? .sub64 : .sub32) : (wide ? .subQuiet64 : .subQuiet32)
    case ALU.xor: flags ? (wide ? .xor64 : .xor32) : (wide ? .xorQuiet64 : .xorQuiet32)
    case ALU.cmp: wide ? .cmp64 : .cmp32
    default: nil
    }
  }

  private func immediate(_ kind: UInt8, _ wide: Bool, _ flags: Bool) -> Handler? {
    switch kind {
    case ALU.add: flags ? (wide ? .addImm64 : .addImm32) : (wide ? .addImmQuiet64 : .addImmQuiet32)
    case ALU.or: wide ? .orImm64 : .orImm32
    case ALU.and: flags ? (wide ? .andImm64 : .andImm32) : (wide ? .andImmQuiet64 : .andImmQuiet32)
    case ALU.sub: flags ? (wide ? .subImm64 : .subImm32) : (wide ? .subImmQuiet64 : .subImmQuiet32)
    case ALU.xor: wide ? .xorImm64 : .xorImm32
    case ALU.cmp: wide ? .cmpImm64 : .cmpImm32
    default: nil
    }
  }

  private func load(_ kind: UInt8, _ wide: Bool) -> Handler? {
    switch kind {
    case ALU.add: wide ? .addLoad64 : .addLoad32
    case ALU.or: wide ? .orLoad64 : .orLoad32
    case ALU.and: wide ? .andLoad64 : .andLoad32
    case ALU.sub: wide ? .subLoad64 : .subLoad32
    case ALU.xor: wide ? .xorLoad64 : .xorLoad32
    case ALU.cmp: wide ? .cmpLoad64 : .cmpLoad32
    default: nil
    }
  }

  private func test(_ op: OperationPointer) -> Handler? {
    let isImmediate = op.handler == .testRMImm
    if op.isMemory { return op.isPlainAddress && isImmediate && op.size == 1 ? .testMemImm8 : nil }
    switch op.size {
    case 8: return isImmediate ? .testImm64 : .test64
    case 4: return isImmediate ? .testImm32 : .test32
    case 1: return isImmediate ? .testImm8 : .test8
    default: return nil
    }
  }

  private func unary(_ op: OperationPointer, _ flags: Bool) -> Handler? {
    guard !op.isMemory, op.size >= 4 else { return nil }
    let wide = op.size == 8
    switch op.kind {
    case Unary.inc: return flags ? (wide ? .inc64 : .inc32) : quietStep(op, 1)
    case Unary.dec: return flags ? (wide ? .dec64 : .dec32) : quietStep(op, .max)
    default: return nil
    }
  }

  private func quietStep(_ op: OperationPointer, _ amount: UInt64) -> Handler {
    op.pointee.immediate = amount
    return op.size == 8 ? .addImmQuiet64 : .addImmQuiet32
  }

  private func shift(_ op: OperationPointer, _ flags: Bool) -> Handler? {
    guard !op.isMemory, op.size >= 4 else { return nil }
    let wide = op.size == 8
    op.pointee.immediate &= wide ? 63 : 31
    guard op.immediate != 0 else { return nil }
    switch op.kind {
    case _ where flags && !hasReferenceShifts: return nil
    case 4, 6: return flags ? (wide ? .shl64 : .shl32) : (wide ? .shlQuiet64 : .shlQuiet32)
    case 5: return flags ? (wide ? .shr64 : .shr32) : (wide ? .shrQuiet64 : .shrQuiet32)
    case 7: return flags ? (wide ? .sar64 : .sar32) : (wide ? .sarQuiet64 : .sarQuiet32)
    default: return nil
    }
  }

  // MARK: Moves

  private func move(_ op: OperationPointer) -> Handler? {
    if op.isMemory {
      guard op.isPlainAddress else { return nil }
      switch op.handler {
      case .movRegRM: return [.load8, .load16, .load32, .load64][op.size.trailingZeroBitCount]
      case .movRMReg: return [.store8, .store16, .store32, .store64][op.size.trailingZeroBitCount]
      default: return [.storeImm8, .storeImm16, .storeImm32, .storeImm64][op.size.trailingZeroBitCount]
      }
    }
    switch op.handler {
    case .movRMImm:
      guard op.size >= 4 else { return nil }
      if op.size == 4 { op.pointee.immediate &= 0xffff_ffff }
      return .movImm
    case .movRMReg:
      guard op.size >= 4 else { return nil }
      swap(&op.pointee.reg, &op.pointee.rm)
      return op.size == 8 ? .mov64 : .mov32
    default:
      guard op.size >= 4 else { return nil }
      return op.size == 8 ? .mov64 : .mov32
    }
  }

  private func extend(_ op: OperationPointer) -> Handler? {
    guard op.size >= 4 else { return nil }
    if op.handler == .movzx {
      if op.isMemory { return op.isPlainAddress ? (op.kind == 1 ? .loadZero8 : .loadZero16) : nil }
      return op.kind == 1 ? .zero8 : .zero16
    }
    guard op.size == 8 else { return nil }
    if op.isMemory {
      guard op.isPlainAddress else { return nil }
      return op.kind == 4 ? .loadSign32 : nil
    }
    return op.kind == 4 ? .sign32 : nil
  }

  // MARK: Branches

  private func branch(_ op: OperationPointer) -> Handler? {
    switch op.handler {
    case .ret: return cpu.is64Bit && op.immediate == 0 ? .ret64 : nil
    case .jmpRM: return cpu.is64Bit ? .jmpIndirect64 : nil
    case .callRM: return cpu.is64Bit ? .callIndirect64 : nil
    default: break
    }
    guard isReachable(op.immediate) else { return nil }
    switch op.handler {
    case .jmp: return .jmpDirect
    case .jcc: return Handler(rawValue: Handler.jccO.rawValue + UInt16(op.kind))
    default: return cpu.is64Bit ? .call64 : nil
    }
  }

  /// A branch there cannot fault before the fetch.
  private func isReachable(_ target: UInt64) -> Bool {
    cpu.is64Bit ? cpu.isCanonical(target) : target <= cpu.codeLimit
  }

  /// Joins a comparison with the conditional branch behind it, which stays where it is and holds target and link.
  private func fuse(_ compare: OperationPointer, _ jcc: OperationPointer) -> Bool {
    guard isReachable(jcc.immediate), compare.size >= 4 || compare.size == 1, !compare.isMemory else { return false }
    let isTest = compare.handler == .testRMReg || compare.handler == .testRMImm
    guard let table = TruthTable.of(jcc.kind, test: isTest) else { return false }
    let wide = compare.size == 8
    let handler: Handler
    switch compare.handler {
    case .testRMReg where compare.size >= 4: handler = wide ? .testBranch64 : .testBranch32
    case .testRMReg: handler = .testBranch8
    case .testRMImm where compare.size >= 4: handler = wide ? .testImmBranch64 : .testImmBranch32
    case .testRMImm: handler = .testImmBranch8
    case .aluRegRM where compare.kind == ALU.cmp && compare.size >= 4: handler = wide ? .cmpBranch64 : .cmpBranch32
    case .aluRMReg where compare.kind == ALU.cmp && compare.size >= 4:
      swap(&compare.pointee.reg, &compare.pointee.rm)
      handler = wide ? .cmpBranch64 : .cmpBranch32
    case .aluRMImm where compare.kind == ALU.cmp && compare.size >= 4:
      handler = wide ? .cmpImmBranch64 : .cmpImmBranch32
    case .aluRMImm where compare.kind == ALU.cmp: handler = .cmpImmBranch8
    default: return false
    }
    compare.pointee.handler = handler
    compare.pointee.kind = table
    jcc.pointee.handler = Handler(rawValue: Handler.jccO.rawValue + UInt16(jcc.kind)) ?? .jcc
    return true
  }
}

/// A condition as a function of a comparison's outcome: bit (equal + 2 · below + 4 · less).
enum TruthTable {
  static func of(_ condition: UInt8, test: Bool) -> UInt8? {
    let table: UInt8
    switch condition >> 1 {
    case 1: table = 0b1100_1100
    case 2: table = 0b1010_1010
    case 3: table = 0b1110_1110
    case 4:
      // SF is "less" only where OF is clear, as after TEST.
      guard test else { return nil }
      table = 0b1111_0000
    case 6: table = 0b1111_0000
    case 7: table = 0b1111_1010
    default: return nil
    }
    return condition & 1 == 0 ? table : ~table
  }
}
