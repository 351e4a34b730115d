internal import VMMCore

// POPCNT, BSF, BSR, TZCNT, LZCNT, CRC32, MOVBE, SHLD and SHRD by the host's own, where it has them, with the flags that
// the profile in force has.
extension BlockTranslator {
  mutating func countBits(_ op: OperationPointer) -> Outcome {
    switch op.handler {
    case .popcnt: return populationCount(op)
    case .bsf, .bsr: return scan(op)
    case .tzcnt, .lzcnt: return countZeros(op)
    case .crc32: return checksum(op)
    case .movbeLoad, .movbeStore: return moveSwapped(op)
    default: return doubleShift(op)
    }
  }

  /// All six flags are defined.
  private mutating func populationCount(_ op: OperationPointer) -> Outcome {
    guard HostFeatures.here.popcnt, let source = rm(op, isStore: false) else { return .none }
    writeWord(op) { $0.code.vector(0xf3, 0xb8, $1, source, size: op.size) }
    keepFlags()
    return .next
  }

  /// Has ModRM.reg written by an instruction that leaves the rest of the register alone where it writes 16 bits.
  private mutating func writeWord(_ op: OperationPointer, _ body: (inout BlockTranslator, HostRegister) -> Void) {
    if op.size == 2 { update(op.reg, body) } else { write(op.reg, body) }
  }

  /// BSF and BSR leave the destination alone when the source is zero; hosts say so of theirs or do not.
  private mutating func scan(_ op: OperationPointer) -> Outcome {
    let (some, none) = (cpu.rule(.bitScan), cpu.rule(.bitScanOfZero))
    guard some == none, some == UndefinedFlags.bitScan.reference || some == FlagRule([:]),
      !cpu.does(.scanOfZeroClearsUpperHalf), let source = rm(op, isStore: false)
    else { return .none }
    let keepsFlags = some == FlagRule([:])
    code.instruction(op.handler == .bsf ? 0x1bc : 0x1bd, .rdx, source, size: op.size)
    let isZero = code.branch(.equal)
    code.store(.rdx, guest(op.reg), size: op.size == 2 ? 2 : 8)
    if keepsFlags {
      code.alu(ALU.and, .register(RegisterMap.flags), immediate: ~HostFlags.zero, size: 4)
    } else {
      // PF is that of the number, and nothing else is set.
      code.test(.register(.rdx), with: .rdx, size: 1)
      code.set(.parity, .rax)
      code.instruction(0x1b6, RegisterMap.flags, .register(.rax), size: 4)
      code.shift(ShiftKind.left.rawValue, RegisterMap.flags, by: 10, size: 4)
    }
    let isDone = code.jump()
    code.place(isZero)
    if keepsFlags {
      code.alu(ALU.or, .register(RegisterMap.flags), immediate: HostFlags.zero, size: 4)
    } else {
      code.move(RegisterMap.flags, immediate: UInt64(HostFlags.zero | HostFlags.parity))
    }
    code.place(isDone)
    return .next
  }

  /// TZCNT and LZCNT: CF and ZF are defined, the others clear, but for OF, which some keep.
  private mutating func countZeros(_ op: OperationPointer) -> Outcome {
    let rule = cpu.rule(.bitCount), others: [StatusFlag] = [.pf, .af, .sf]
    guard others.allSatisfy({ rule[$0] == .cleared }), rule[.of] == .kept || rule[.of] == .cleared,
      op.handler == .tzcnt ? HostFeatures.here.bmi1 : HostFeatures.here.lzcnt,
      let source = rm(op, isStore: false)
    else { return .none }
    writeWord(op) { $0.code.vector(0xf3, op.handler == .tzcnt ? 0xbc : 0xbd, $1, source, size: op.size) }
    lahf()
    code.alu(ALU.and, .register(.rax), immediate: HostFlags.carry | HostFlags.zero, size: 4)
    if rule[.of] == .kept {
      code.alu(ALU.and, .register(RegisterMap.flags), immediate: HostFlags.overflow, size: 4)
      code.alu(ALU.or, RegisterMap.flags, .register(.rax), size: 4)
    } else {
      keepAX()
    }
    return .next
  }

  // MARK: these leave the flags alone

  private mutating func checksum(_ op: OperationPointer) -> Outcome {
    guard HostFeatures.here.sse42, op.isMemory || BlockTranslator.number(op.rm) != nil else { return .none }
    let isByte = op.kind == 1
    if !op.isMemory { hostHasFlags = hostHadFlags }
    let source = op.isMemory ? operand(op, size: isByte ? 1 : op.size) : guest(op.rm)
    update(op.reg) { block, host in
      block.code.byte(0xf2)
      block.code.instruction(isByte ? 0x38f0 : 0x38f1, host, source, size: isByte ? 4 : op.size, ofByte: isByte)
    }
    return .next
  }

  private mutating func moveSwapped(_ op: OperationPointer) -> Outcome {
    guard HostFeatures.here.movbe else { return .none }
    let place = operand(op, size: op.size, isStore: op.handler == .movbeStore)
    if op.handler == .movbeStore {
      code.instruction(0x38f1, value(op.reg, orLoadedInto: .rdx), place, size: op.size)
    } else {
      writeWord(op) { $0.code.instruction(0x38f0, $1, place, size: op.size) }
    }
    return .next
  }

  // MARK: SHLD and SHRD

  /// How OF is set, and AF: as the reference does, or as Intel's CPUs do.
  private enum DoubleShiftFlags {
    /// OF is that of the last place, AF is set.
    case reference
    /// OF is that of the first place, AF is clear.
    case firstPlace

    init?(_ rule: FlagRule) {
      switch rule {
      case UndefinedFlags.doubleShift.reference: self = .reference
      case FlagRule([.af: .cleared, .of: .firstPlace]): self = .firstPlace
      default: return nil
      }
    }
  }

  /// By fewer places than the operand has. A count of zero, and CL where memory is shifted, are the family's.
  private mutating func doubleShift(_ op: OperationPointer) -> Outcome {
    let size = op.size, isLeft = op.kind == 0, isByCL = op.handler == .doubleShiftCL
    let count = op.immediate & (size == 8 ? 63 : 31)
    guard let rules = DoubleShiftFlags(cpu.rule(.doubleShift)), isByCL ? size >= 4 && !op.isMemory : count != 0,
      isByCL || count < UInt64(8 * size), let place = rm(op, isStore: true)
    else { return .none }
    let filler = op.reg
    var isNothing: Assembler.Branch?
    if isByCL {
      code.load(.rcx, RegisterMap.operand(GPR.rcx), size: 4)
      code.alu(ALU.and, .register(.rcx), immediate: size == 8 ? 63 : 31, size: 4)
      isNothing = code.branch(.equal)
    }
    if rules == .firstPlace { keepFirstPlace(place, filler, isLeft: isLeft, size: size) }
    code.instruction(
      (isLeft ? 0x1a4 : 0x1ac) + (isByCL ? 1 : 0), value(filler, orLoadedInto: .rdx), place, size: size)
    if !isByCL { code.byte(UInt8(count)) }
    keepDoubleShiftFlags(rules, place, isLeft: isLeft, size: size)
    if let isNothing { code.place(isNothing) }
    // A 32-bit register is written whole: one that lies in the state block was not, and CL may be zero.
    if size == 4 && !op.isMemory { update(op.rm) { $0.code.move($1, $1, size: 4) } }
    return .next
  }

  /// What OF will be goes to the flags, all of which are overwritten. Uses RAX.
  private mutating func keepFirstPlace(_ place: HostOperand, _ filler: UInt8, isLeft: Bool, size: Int) {
    code.load(.rax, place, size: size)
    code.shift(ShiftKind.right.rawValue, .rax, by: UInt8(8 * size - (isLeft ? 2 : 1)), size: size)
    if isLeft {
      differenceOfTwoBits(.rax)
    } else {
      code.alu(ALU.xor, .rax, guest(filler), size: size)
      code.alu(ALU.and, .register(.rax), immediate: 1, size: 4)
    }
    code.move(RegisterMap.flags, .rax, size: 4)
  }

  private mutating func keepDoubleShiftFlags(
    _ rules: DoubleShiftFlags, _ place: HostOperand, isLeft: Bool, size: Int
  ) {
    lahf()
    switch rules {
    case .firstPlace:
      code.alu(ALU.and, .register(.rax), immediate: 0xff00 & ~HostFlags.adjust, size: 4)
      code.alu(ALU.or, RegisterMap.flags, .register(.rax), size: 4)
      return
    case .reference where isLeft: overflowFromSignAndCarry()
    case .reference:
      code.load(.rdx, place, size: size)
      code.shift(ShiftKind.right.rawValue, .rdx, by: UInt8(8 * size - 2), size: size)
      differenceOfTwoBits(.rdx)
      code.moveLow(.rax, from: .rdx)
    }
    code.alu(ALU.or, .register(.rax), immediate: HostFlags.adjust, size: 4)
    keepAX()
  }

  /// A register whose bits 1 and 0 alone may be set becomes whether they differ.
  private mutating func differenceOfTwoBits(_ register: HostRegister) {
    code.alu(ALU.add, .register(register), immediate: 1, size: 4)
    code.shift(ShiftKind.right.rawValue, register, by: 1, size: 4)
    code.alu(ALU.and, .register(register), immediate: 1, size: 4)
  }
}
