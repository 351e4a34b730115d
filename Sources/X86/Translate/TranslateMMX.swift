internal import VMMCore

// MMX instructions as the host's on the lower halves of XMM registers, so that its x87 is left alone.
extension BlockTranslator {
  mutating func mmx(_ op: OperationPointer, _ form: MMXForm) -> Outcome {
    allowVectors(op)
    code.test(slot(Slot.fsw), immediate: Int32(X87Status.summary), size: 4)
    leave(at: op, when: .notEqual)
    let instruction = op.instruction, (reg, rm) = (instruction.regNumber & 7, instruction.rmNumber & 7)
    switch form {
    case .load:
      loadMMXOperand(op, 8)
      keepMMX(reg, from: 1)
    case .store:
      let place = op.isMemory ? operand(op, size: 8, isStore: true) : slot(Slot.x87Significand(rm))
      code.moveVector(from: slot(Slot.x87Significand(reg)), size: 8)
      code.moveVector(to: place, size: 8)
      if !op.isMemory { markMMX(rm) }
    case .fromGeneral, .insert: insertMMX(op, isWord: form == .insert)
    case .toGeneral, .extract, .mask: extractMMX(op, form)
    case .operate, .unpackLow, .unpackHigh, .pack:
      loadMMXOperand(op, form == .unpackLow ? 4 : 8)
      code.moveVector(from: slot(Slot.x87Significand(reg)), size: 8)
      operateMMX(op, form)
    case .shuffle:
      loadMMXOperand(op, 8)
      // PSHUFLW.
      code.vector(0xf2, 0x70, 0, .register(HostRegister(number: 1)))
      code.byte(UInt8(truncatingIfNeeded: op.immediate))
      keepMMX(reg)
    case .shift:
      code.moveVector(from: slot(Slot.x87Significand(rm)), size: 8)
      code.vector(0x66, instruction.opcode, instruction.modRMReg, .register(HostRegister(number: 0)))
      code.byte(UInt8(truncatingIfNeeded: op.immediate))
      keepMMX(rm)
    case .empty: break
    }
    // As `CPU.enterMMX`; EMMS leaves all of them empty.
    storeNumber(0, Slot.fpuTop)
    storeNumber(form == .empty ? 0 : 0xff, Slot.ftw)
    return .next
  }

  private mutating func storeNumber(_ value: UInt32, _ word: Int) {
    code.instruction(0xc7, extension: 0, slot(word), size: 8)
    code.word32(value)
  }

  /// The operand that ModRM names goes to XMM1: a register whole, so many bytes of memory.
  private mutating func loadMMXOperand(_ op: OperationPointer, _ size: Int) {
    if op.isMemory {
      let place = operand(op, size: size)
      code.moveVector(from: place, size: size, into: 1)
    } else {
      code.moveVector(from: slot(Slot.x87Significand(op.instruction.rmNumber & 7)), size: 8, into: 1)
    }
  }

  /// A register gets the lower half of an XMM register.
  private mutating func keepMMX(_ number: Int, from xmm: UInt8 = 0) {
    code.moveVector(to: slot(Slot.x87Significand(number)), size: 8, from: xmm)
    markMMX(number)
  }

  private mutating func markMMX(_ number: Int) { storeNumber(0xffff, Slot.x87SignExponent(number)) }

  /// XMM0 and XMM1 to the register.
  private mutating func operateMMX(_ op: OperationPointer, _ form: MMXForm) {
    let instruction = op.instruction, reg = instruction.regNumber & 7
    switch form {
    case .unpackHigh:
      // What is made of the upper halves of eight bytes is the upper half of what is made of the lower ones of 16.
      code.vector(0x66, instruction.opcode - 8, 0, .register(HostRegister(number: 1)))
      code.vector(0, 0x17, 0, slot(Slot.x87Significand(reg)))
      markMMX(reg)
    case .pack:
      // PUNPCKLQDQ: both operands in one register.
      code.vector(0x66, 0x6c, 0, .register(HostRegister(number: 1)))
      code.vector(0x66, instruction.opcode, 0, .register(HostRegister(number: 0)))
      keepMMX(reg)
    default:
      code.vector(0x66, instruction.opcode, 0, .register(HostRegister(number: 1)))
      keepMMX(reg)
    }
  }

  /// MOVD, MOVQ, PINSRW.
  private mutating func insertMMX(_ op: OperationPointer, isWord: Bool) {
    let instruction = op.instruction, reg = instruction.regNumber & 7
    let size = isWord ? 2 : instruction.rexW ? 8 : 4
    let source = op.isMemory ? operand(op, size: size) : RegisterMap.operand(instruction.rmNumber)
    if isWord { code.moveVector(from: slot(Slot.x87Significand(reg)), size: 8) }
    code.vector(0x66, instruction.opcode, 0, source, size: isWord ? 4 : size)
    if isWord { code.byte(UInt8(truncatingIfNeeded: op.immediate) & 3) }
    keepMMX(reg)
  }

  /// MOVD, MOVQ, PEXTRW, PMOVMSKB.
  private mutating func extractMMX(_ op: OperationPointer, _ form: MMXForm) {
    let instruction = op.instruction
    if form == .toGeneral {
      let size = instruction.rexW ? 8 : 4
      let place = op.isMemory ? operand(op, size: size, isStore: true) : nil
      code.moveVector(from: slot(Slot.x87Significand(instruction.regNumber & 7)), size: 8)
      if let place { return code.vector(0x66, 0x7e, 0, place, size: size) }
      return write(UInt8(8 * instruction.rmNumber)) { $0.code.vector(0x66, 0x7e, 0, .register($1), size: size) }
    }
    loadMMXOperand(op, 8)
    write(UInt8(8 * instruction.regNumber)) { block, host in
      block.code.vector(0x66, instruction.opcode, host, .register(HostRegister(number: 1)))
      if form == .extract { block.code.byte(UInt8(truncatingIfNeeded: op.immediate) & 3) }
    }
  }
}

/// An MMX instruction that translated code has the host do, but for those of SSSE3.
enum MMXForm {
  case load, store
  /// MOVD and MOVQ of general registers or memory.
  case fromGeneral, toGeneral
  /// The lower half of what the instruction makes of XMM registers.
  case operate
  case unpackLow, unpackHigh, pack
  /// By an immediate.
  case shuffle, shift, insert, extract
  case mask
  case empty

  init?(_ op: Op) {
    guard op.map == 1, op.mandatoryPrefix == .none else { return nil }
    switch op.opcode {
    case 0x60...0x62: self = .unpackLow
    case 0x63, 0x67, 0x6b: self = .pack
    case 0x64...0x66, 0x74...0x76, 0xd1...0xd5, 0xd8...0xe5, 0xe8...0xef, 0xf1...0xf6, 0xf8...0xfe: self = .operate
    case 0x68...0x6a: self = .unpackHigh
    case 0x6e: self = .fromGeneral
    case 0x6f: self = .load
    case 0x70: self = .shuffle
    case 0x71...0x73: self = .shift
    case 0x77: self = .empty
    case 0x7e: self = .toGeneral
    case 0x7f, 0xe7: self = .store
    case 0xc4: self = .insert
    case 0xc5: self = .extract
    case 0xd7: self = .mask
    default: return nil
    }
  }
}
