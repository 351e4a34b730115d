internal import VMMCore

// SSSE3, SSE4.1 and SSE4.2 where the host has them, and what else moves single lanes of XMM registers.
extension BlockTranslator {
  mutating func lanes(_ op: OperationPointer, _ form: LaneForm) -> Outcome {
    guard form.isAvailable else { return .none }
    allowVectors(op)
    let instruction = op.instruction, register = xmm(instruction.regNumber)
    switch form.kind {
    case .operate(let source):
      loadVectorOperand(op, source)
      code.moveVector(from: register, size: 16)
      emit(op, 0, .register(HostRegister(number: 1)))
      code.moveVector(to: register, size: 16)
    case .round(let source):
      openFloats(op)
      loadVectorOperand(op, source)
      code.moveVector(from: register, size: 16)
      emit(op, 0, .register(HostRegister(number: 1)))
      code.moveVector(to: register, size: 16)
    case .widen(let size):
      let source = op.isMemory ? operand(op, size: size) : xmm(instruction.rmNumber)
      emit(op, 0, source)
      code.moveVector(to: register, size: 16)
    case .blend:
      // The mask is XMM0, the host's as the guest's.
      loadVectorOperand(op, .whole)
      code.moveVector(from: register, size: 16, into: 2)
      code.moveVector(from: xmm(0), size: 16)
      emit(op, 2, .register(HostRegister(number: 1)))
      code.moveVector(to: register, size: 16, from: 2)
    case .test:
      loadVectorOperand(op, .whole)
      code.moveVector(from: register, size: 16)
      emit(op, 0, .register(HostRegister(number: 1)))
      keepFlags()
    case .insert(let size): insert(op, size)
    case .extract(let size): extract(op, size)
    case .string: compareStrings(op)
    }
    return .next
  }

  /// The guest's instruction with operands of the host.
  private mutating func emit(_ op: OperationPointer, _ register: UInt8, _ operand: HostOperand, size: Int = 4) {
    let instruction = op.instruction
    code.byte(instruction.mandatoryPrefix.byte)
    let map: UInt16 = instruction.map == 1 ? 0x100 : instruction.map == 2 ? 0x3800 : 0x3a00
    code.instruction(map | UInt16(instruction.opcode), HostRegister(number: register), operand, size: size)
    if instruction.map == 3 || instruction.map == 1 && instruction.opcode == 0xc4 {
      code.byte(UInt8(truncatingIfNeeded: op.immediate))
    }
  }

  /// MOVD, PINSRW and the like: from a general register, memory, or (INSERTPS) an XMM register.
  private mutating func insert(_ op: OperationPointer, _ size: Int) {
    let instruction = op.instruction, register = xmm(instruction.regNumber)
    let source: HostOperand
    if op.isMemory {
      source = operand(op, size: size)
    } else if instruction.map == 3 && instruction.opcode == 0x21 {
      code.moveVector(from: xmm(instruction.rmNumber), size: 16, into: 1)
      source = .register(HostRegister(number: 1))
    } else {
      source = RegisterMap.operand(instruction.rmNumber)
    }
    code.moveVector(from: register, size: 16)
    emit(op, 0, source, size: size == 8 ? 8 : 4)
    code.moveVector(to: register, size: 16)
  }

  /// MOVD, PEXTRB and the like: to memory, or to a general register with zeros above.
  private mutating func extract(_ op: OperationPointer, _ size: Int) {
    let register = xmm(op.instruction.regNumber), width = size == 8 ? 8 : 4
    if op.isMemory {
      let place = operand(op, size: size, isStore: true)
      code.moveVector(from: register, size: 16)
      emit(op, 0, place, size: width)
    } else {
      code.moveVector(from: register, size: 16)
      write(UInt8(8 * op.instruction.rmNumber)) { $0.emit(op, 0, .register($1), size: width) }
    }
  }

  /// PCMPESTRM, PCMPESTRI, PCMPISTRM, PCMPISTRI: with lengths in RAX and RDX, to RCX or XMM0, and to the flags.
  private mutating func compareStrings(_ op: OperationPointer) {
    let instruction = op.instruction, hasLengths = instruction.opcode < 0x62, isMask = instruction.opcode & 1 == 0
    loadVectorOperand(op, VectorSource(size: 16, isAligned: false))
    code.moveVector(from: xmm(instruction.regNumber), size: 16, into: 2)
    if hasLengths {
      code.load(.rax, RegisterMap.operand(GPR.rax))
      code.load(.rdx, RegisterMap.operand(GPR.rdx))
    }
    emit(op, 2, .register(HostRegister(number: 1)), size: instruction.rexW ? 8 : 4)
    if isMask {
      code.moveVector(to: xmm(0), size: 16)
    } else {
      code.store(.rcx, RegisterMap.operand(GPR.rcx))
    }
    keepFlags()
  }
}

/// An SSE instruction that `BlockTranslator.lanes` translates.
struct LaneForm {
  enum Kind {
    /// A register becomes what the instruction makes of it and the operand.
    case operate(VectorSource)
    /// The same of floating-point numbers, under MXCSR.
    case round(VectorSource)
    /// A register becomes what is made of so many bytes.
    case widen(Int)
    /// By the signs of the lanes of XMM0.
    case blend
    /// To the flags.
    case test
    /// Into, or out of, a lane of so many bytes.
    case insert(Int)
    case extract(Int)
    case string
  }
  var kind: Kind
  /// The host has it.
  var isAvailable = true

  init?(_ op: Op) {
    guard op.mandatoryPrefix == .p66 else { return nil }
    switch op.map {
    case 1: self.init(twoByte: op)
    case 2: self.init(map38: op)
    default: self.init(map3A: op)
    }
    isAvailable = LaneForm.isAvailable(map: op.map, op.opcode)
  }

  private static func isAvailable(map: Int, _ opcode: UInt8) -> Bool {
    let host = HostFeatures.here
    switch (map, opcode) {
    case (1, _): return true
    case (2, 0x00...0x0b), (2, 0x1c...0x1e), (3, 0x0f): return host.ssse3
    case (2, 0x37), (3, 0x60...0x63): return host.sse42
    default: return host.sse41
    }
  }

  private init?(twoByte op: Op) {
    switch op.opcode {
    case 0x6e: kind = .insert(op.rexW ? 8 : 4)
    case 0x7e: kind = .extract(op.rexW ? 8 : 4)
    case 0xc4: kind = .insert(2)
    default: return nil
    }
  }

  private init?(map38 op: Op) {
    switch op.opcode {
    case 0x00...0x0b, 0x1c...0x1e, 0x28...0x29, 0x2b, 0x37...0x41: kind = .operate(.whole)
    case 0x10, 0x14, 0x15: kind = .blend
    case 0x17: kind = .test
    case 0x20, 0x23, 0x25, 0x30, 0x33, 0x35: kind = .widen(8)
    case 0x21, 0x24, 0x31, 0x34: kind = .widen(4)
    case 0x22, 0x32: kind = .widen(2)
    default: return nil
    }
  }

  private init?(map3A op: Op) {
    switch op.opcode {
    case 0x08, 0x09: kind = .round(.whole)
    case 0x0a: kind = .round(VectorSource(size: 4, isAligned: false))
    case 0x0b: kind = .round(VectorSource(size: 8, isAligned: false))
    case 0x0c...0x0f, 0x42: kind = .operate(.whole)
    case 0x14: kind = .extract(1)
    case 0x15: kind = .extract(2)
    case 0x16: kind = .extract(op.rexW ? 8 : 4)
    case 0x17: kind = .extract(4)
    case 0x20: kind = .insert(1)
    case 0x21: kind = .insert(4)
    case 0x22: kind = .insert(op.rexW ? 8 : 4)
    case 0x60...0x63: kind = .string
    default: return nil
    }
  }
}
