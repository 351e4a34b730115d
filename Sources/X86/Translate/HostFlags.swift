/// The guest's status flags in translated code: what LAHF and SETO leave in AX, in a register of their own. Bit 0 is
/// OF; bits 8 to 15 are as in RFLAGS (CF, PF, AF, ZF, SF). Bit 1 says that AF is clear, whatever bit 12 says: behind
/// AND, OR, XOR and TEST hosts have it as they like. Bits 2 to 7 are clear.
enum HostFlags {
  static var overflow: Int32 { 1 }
  static var carry: Int32 { 1 << 8 }
  static var parity: Int32 { 1 << 10 }
  static var adjust: Int32 { 1 << 12 }
  static var zero: Int32 { 1 << 14 }
  static var sign: Int32 { 1 << 15 }
  static var hasNoAdjust: UInt8 { 1 << 1 }

  /// Makes the three words of the state block (`State/Flags.swift`) of the register. Uses RCX and RDX.
  static func writeBack(_ code: inout Assembler) {
    let flags = RegisterMap.flags
    // AF: bit 12, unless bit 1.
    code.move(.rcx, flags, size: 4)
    code.shift(5, .rcx, by: 1, size: 4)
    code.alu(ALU.xor, .register(.rcx), immediate: 1, size: 4)
    code.move(.rdx, flags, size: 4)
    code.shift(5, .rdx, by: 12, size: 4)
    code.alu(ALU.and, .rcx, .register(.rdx), size: 4)
    code.alu(ALU.and, .register(.rcx), immediate: 1, size: 4)
    code.shift(4, .rcx, by: 3, size: 4)
    code.store(.rcx, RegisterMap.slot(Slot.flagCarry))
    // CF, and CF xor OF.
    code.move(.rdx, flags, size: 4)
    code.shift(5, .rdx, by: 8, size: 4)
    code.move(.rcx, flags, size: 4)
    code.alu(ALU.xor, .rcx, .register(.rdx), size: 4)
    code.shift(4, .rdx, by: 63, size: 8)
    code.alu(ALU.and, .register(.rcx), immediate: 1, size: 4)
    code.shift(4, .rcx, by: 62, size: 8)
    code.alu(ALU.or, .rcx, .register(.rdx), size: 8)
    code.alu(ALU.or, RegisterMap.slot(Slot.flagCarry), from: .rcx, size: 8)
    // Not ZF.
    code.move(.rcx, flags, size: 4)
    code.alu(ALU.and, .register(.rcx), immediate: zero, size: 4)
    code.alu(ALU.xor, .register(.rcx), immediate: zero, size: 4)
    code.store(.rcx, RegisterMap.slot(Slot.flagZero))
    // SF, and a byte whose parity is PF.
    code.move(.rcx, flags, size: 4)
    code.shift(5, .rcx, by: 10, size: 4)
    code.alu(ALU.and, .register(.rcx), immediate: 1, size: 4)
    code.alu(ALU.xor, .register(.rcx), immediate: 1, size: 4)
    code.move(.rdx, flags, size: 4)
    code.alu(ALU.and, .register(.rdx), immediate: sign, size: 4)
    code.shift(4, .rdx, by: 48, size: 8)
    code.alu(ALU.or, .rcx, .register(.rdx), size: 8)
    code.store(.rcx, RegisterMap.slot(Slot.flagSign))
  }

  /// The other way round. Uses RAX, RCX and RDX.
  static func load(_ code: inout Assembler) {
    code.alu(ALU.cmp, RegisterMap.slot(Slot.flagZero), immediate: 0, size: 8)
    code.set(.equal, .rax)
    code.instruction(0x1b6, .rax, .register(.rax), size: 4)
    code.shift(4, .rax, by: 14, size: 4)
    code.load(.rcx, RegisterMap.slot(Slot.flagSign))
    code.move(.rdx, .rcx)
    code.shift(5, .rdx, by: 63, size: 8)
    code.shift(4, .rdx, by: 15, size: 4)
    code.alu(ALU.or, .rax, .register(.rdx), size: 4)
    code.alu(ALU.or, .rcx, .register(.rcx), size: 1)
    code.set(.parity, .rcx)
    code.instruction(0x1b6, .rcx, .register(.rcx), size: 4)
    code.shift(4, .rcx, by: 10, size: 4)
    code.alu(ALU.or, .rax, .register(.rcx), size: 4)
    code.load(.rcx, RegisterMap.slot(Slot.flagCarry))
    code.move(.rdx, .rcx)
    code.alu(ALU.add, .rdx, .register(.rdx), size: 8)
    code.alu(ALU.xor, .rdx, .register(.rcx), size: 8)
    code.shift(5, .rdx, by: 63, size: 8)
    code.alu(ALU.or, .rax, .register(.rdx), size: 4)
    code.move(.rdx, .rcx)
    code.shift(5, .rdx, by: 63, size: 8)
    code.shift(4, .rdx, by: 8, size: 4)
    code.alu(ALU.or, .rax, .register(.rdx), size: 4)
    code.alu(ALU.and, .register(.rcx), immediate: 8, size: 4)
    code.shift(4, .rcx, by: 9, size: 4)
    code.alu(ALU.or, .rax, .register(.rcx), size: 4)
    code.move(RegisterMap.flags, .rax, size: 4)
  }
}
