// The status flags, between the host's and the three words of the state block (`State/Flags.swift`).
extension BlockTranslator {
  /// CF, OF and AF as the host has them now, and ZF, SF and PF of a result, which may be in RDX. Uses RAX, RCX and RDX.
  mutating func storeFlags(_ result: HostRegister, size: Int) {
    // LAHF: SF ZF - AF - PF 1 CF. Rotated by one place CF is bit 63 and AF bit 3.
    code.byte(0x9f)
    code.set(.overflow, .rax)
    // MOVZX ECX, AH; XOR AL, AH.
    for byte: UInt8 in [0x0f, 0xb6, 0xcc, 0x30, 0xe0] { code.byte(byte) }
    code.shift(1, .rcx, by: 1, size: 8)
    code.alu(ALU.and, .register(.rax), immediate: 1, size: 4)
    code.shift(4, .rax, by: 62, size: 8)
    code.alu(ALU.or, .rcx, .register(.rax), size: 8)
    code.store(.rcx, slot(Slot.flagCarry))
    storeResult(result, size: size)
  }

  /// The flags of AND, OR, XOR and TEST.
  mutating func storeLogicFlags(_ result: HostRegister, size: Int) {
    code.instruction(0xc7, extension: 0, slot(Slot.flagCarry), size: 8)
    code.word32(0)
    storeResult(result, size: size)
  }

  /// ZF, SF and PF.
  private mutating func storeResult(_ result: HostRegister, size: Int) {
    var word = result
    if size < 8 {
      code.instruction(size == 4 ? 0x63 : 0x1be, .rdx, .register(result), size: 8)
      word = .rdx
    }
    code.store(word, slot(Slot.flagZero))
    code.store(word, slot(Slot.flagSign))
  }

  /// CF as the host's.
  mutating func loadCarry() {
    code.instruction(0x1ba, extension: 4, slot(Slot.flagCarry), size: 8)
    code.byte(63)
  }

  /// The flags of a shift by a constant that is not zero, as the reference leaves them: CF is the host's, OF what
  /// `overflow` says, AF set.
  mutating func storeShiftFlags(_ result: HostRegister, size: Int, kind: UInt8, by count: UInt64) {
    // Bit 62 is CF xor OF: SF behind SHL, CF behind SAR and all of SHR but by one place.
    code.set(HostCondition(code: 2), .rax)
    let second: HostCondition = kind == 4 ? .sign : kind == 5 && count == 1 ? .overflow : HostCondition(code: 2)
    code.set(second, .rcx)
    if kind == 5 && count == 1 { code.alu(ALU.xor, .rcx, .register(.rax), size: 4) }
    for register: HostRegister in [.rax, .rcx] {
      code.instruction(0x1b6, register, .register(register), size: 8)
    }
    code.shift(4, .rax, by: 63, size: 8)
    code.shift(4, .rcx, by: 62, size: 8)
    code.alu(ALU.or, .rax, .register(.rcx), size: 8)
    code.alu(ALU.or, .register(.rax), immediate: 8, size: 8)
    code.store(.rax, slot(Slot.flagCarry))
    storeResult(result, size: size)
  }

  /// CF and OF of a product, both as the host's; AF stays.
  mutating func storeProductFlags() {
    code.set(HostCondition(code: 2), .rax)
    code.instruction(0x1b6, .rax, .register(.rax), size: 8)
    code.shift(4, .rax, by: 63, size: 8)
    code.load(.rcx, slot(Slot.flagCarry))
    code.alu(ALU.and, .register(.rcx), immediate: 8, size: 4)
    code.alu(ALU.or, .rax, .register(.rcx), size: 8)
    code.store(.rax, slot(Slot.flagCarry))
  }

  /// Looks at the guest's flags; the host's condition that holds when the guest's does. Uses RAX and RCX.
  mutating func test(_ condition: UInt8) -> HostCondition {
    let holds: HostCondition
    switch condition >> 1 {
    case 0:
      overflowSign()
      code.alu(ALU.or, .rax, .register(.rax), size: 8)
      holds = .sign
    case 1: holds = isNegative(Slot.flagCarry)
    case 2: holds = isZero(Slot.flagZero, .equal)
    case 3:
      code.load(.rax, slot(Slot.flagCarry))
      orZero()
      holds = .notEqual
    case 4: holds = isNegative(Slot.flagSign)
    case 5:
      code.alu(ALU.cmp, slot(Slot.flagSign), immediate: 0, size: 1)
      holds = .parity
    case 6:
      overflowSign()
      code.alu(ALU.xor, .rax, slot(Slot.flagSign), size: 8)
      holds = .sign
    default:
      overflowSign()
      code.alu(ALU.xor, .rax, slot(Slot.flagSign), size: 8)
      orZero()
      holds = .notEqual
    }
    return condition & 1 == 0 ? holds : holds.negated
  }

  /// Bit 63 of RAX is OF.
  private mutating func overflowSign() {
    code.load(.rax, slot(Slot.flagCarry))
    code.lea(.rcx, .memory(.rax, index: .rax, scale: 0, 0))
    code.alu(ALU.xor, .rax, .register(.rcx), size: 8)
  }

  /// Not zero when bit 63 of RAX or ZF is set.
  private mutating func orZero() {
    code.shift(5, .rax, by: 63, size: 8)
    code.alu(ALU.cmp, slot(Slot.flagZero), immediate: 0, size: 8)
    code.set(.equal, .rcx)
    code.alu(ALU.or, .rax, .register(.rcx), size: 1)
  }

  private mutating func isNegative(_ number: Int) -> HostCondition {
    code.alu(ALU.cmp, slot(number), immediate: 0, size: 8)
    return .sign
  }

  private mutating func isZero(_ number: Int, _ condition: HostCondition) -> HostCondition {
    code.alu(ALU.cmp, slot(number), immediate: 0, size: 8)
    return condition
  }
}
