// The status flags, between the host's and the register that keeps them (`HostFlags`).
extension BlockTranslator {
  /// All six as the host has them. It keeps them, so that what follows at once may look at them there.
  mutating func keepFlags() {
    lahf()
    code.set(.overflow, .rax)
    keepAX()
    hostHasFlags = true
  }

  /// The same behind AND, OR, XOR and TEST.
  mutating func keepLogicFlags() {
    lahf()
    code.moveLow(.rax, immediate: HostFlags.hasNoAdjust)
    keepAX()
    hostHasFlags = true
  }

  mutating func keepFlags(of kind: UInt8) {
    if kind == ALU.or || kind == ALU.and || kind == ALU.xor { keepLogicFlags() } else { keepFlags() }
  }

  mutating func keepFlags(of comparison: Comparison) {
    switch comparison {
    case .compare: keepFlags()
    case .test: keepLogicFlags()
    }
  }

  /// Those of a shift by a constant that is not zero, as the reference leaves them: OF of SHL is SF xor CF, of SHR by
  /// one place the highest bit before, of others clear; AF is set.
  mutating func keepShiftFlags(_ kind: ShiftKind, by count: UInt64) {
    lahf()
    switch kind {
    case .left, .right:
      if count == 1 {
        code.set(.overflow, .rax)
      } else if kind == .right {
        code.moveLow(.rax, immediate: 0)
      } else {
        overflowFromSignAndCarry()
      }
    case .arithmetic: code.moveLow(.rax, immediate: 0)
    }
    code.alu(ALU.or, .register(.rax), immediate: HostFlags.adjust, size: 4)
    keepAX()
  }

  /// AL is SF xor CF, with AH as LAHF leaves it. Uses RDX.
  mutating func overflowFromSignAndCarry() {
    code.move(.rdx, .rax, size: 4)
    code.shift(ShiftKind.right.rawValue, .rdx, by: 7, size: 4)
    code.alu(ALU.xor, .rdx, .register(.rax), size: 4)
    code.shift(ShiftKind.right.rawValue, .rdx, by: 8, size: 4)
    code.alu(ALU.and, .register(.rdx), immediate: 1, size: 4)
    code.moveLow(.rax, from: .rdx)
  }

  /// CF and OF of a product, both as the host's; the others stay.
  mutating func keepProductFlags() {
    code.set(.carry, .rax)
    code.instruction(0x1b6, .rax, .register(.rax), size: 4)
    code.move(.rdx, .rax, size: 4)
    keepCarryAndOverflow()
  }

  /// CF is bit 0 of RAX, OF bit 0 of RDX, whose other bits are clear; the others stay.
  mutating func keepCarryAndOverflow() {
    code.shift(ShiftKind.left.rawValue, .rax, by: 8, size: 4)
    code.alu(ALU.or, .rdx, .register(.rax), size: 4)
    code.alu(ALU.and, .register(RegisterMap.flags), immediate: ~(HostFlags.carry | HostFlags.overflow), size: 4)
    code.alu(ALU.or, RegisterMap.flags, .register(.rdx), size: 4)
  }

  /// CF as the host's; the others stay.
  mutating func keepCarry() {
    code.set(.carry, .rax)
    code.instruction(0x1b6, .rax, .register(.rax), size: 4)
    code.shift(ShiftKind.left.rawValue, .rax, by: 8, size: 4)
    code.alu(ALU.and, .register(RegisterMap.flags), immediate: ~HostFlags.carry, size: 4)
    code.alu(ALU.or, RegisterMap.flags, .register(.rax), size: 4)
  }

  /// CF as the host's.
  mutating func loadCarry() {
    code.instruction(0x1ba, extension: 4, .register(RegisterMap.flags), size: 4)
    code.byte(8)
  }

  /// Looks at the guest's flags, where the host does not have them; the host's condition that holds when the guest's
  /// does. Uses RAX.
  mutating func test(_ condition: UInt8) -> HostCondition {
    if hostHadFlags { return HostCondition(code: condition) }
    let bits: Int32
    switch condition >> 1 {
    case 0: bits = HostFlags.overflow
    case 1: bits = HostFlags.carry
    case 2: bits = HostFlags.zero
    case 3: bits = HostFlags.carry | HostFlags.zero
    case 4: bits = HostFlags.sign
    case 5: bits = HostFlags.parity
    default:
      code.move(.rax, RegisterMap.flags, size: 4)
      // ROR of AL by one place: OF is bit 0, as bit 7 is clear (the xor of both).
      code.instruction(0xd0, extension: 1, .register(.rax), size: 1)
      // SAHF.
      code.byte(0x9e)
      return HostCondition(code: condition)
    }
    code.test(.register(RegisterMap.flags), immediate: bits, size: 4)
    return condition & 1 == 0 ? .notEqual : .equal
  }

  mutating func lahf() { code.byte(0x9f) }
  mutating func keepAX() { code.move(RegisterMap.flags, .rax, size: 4) }
}

/// The shifts of the fast forms, as the opcodes number them.
enum ShiftKind: UInt8 {
  case left = 4
  case right = 5
  case arithmetic = 7
}
