internal import VMMCore

// SSE arithmetic by the host's own instructions, under the guest's MXCSR: results, flags and what becomes of denormals
// and NaNs are the same on all processors. An exception that is not masked is the family's.
extension BlockTranslator {
  mutating func float(_ op: OperationPointer, _ form: FloatForm) -> Outcome {
    allowVectors(op)
    openFloats(op)
    let instruction = op.instruction, target = xmm(instruction.regNumber)
    switch form.kind {
    case .arithmetic:
      loadVectorOperand(op, form.source)
      code.moveVector(from: target, size: 16)
      code.vector(form.prefix, instruction.opcode, 0, .register(HostRegister(number: 1)))
      if instruction.opcode == FloatOperation.compare.rawValue {
        code.byte(UInt8(truncatingIfNeeded: op.immediate & 7))
      }
      code.moveVector(to: target, size: 16)
    case .comparison:
      loadVectorOperand(op, form.source)
      code.moveVector(from: target, size: 16)
      code.vector(form.prefix, instruction.opcode, 0, .register(HostRegister(number: 1)))
      keepFlags()
    case .fromInteger:
      let size = instruction.rexW ? 8 : 4
      let source = op.isMemory ? operand(op, size: size) : guest(op.rm)
      code.moveVector(from: target, size: 16)
      code.vector(form.prefix, instruction.opcode, 0, source, size: size)
      code.moveVector(to: target, size: 16)
    case .toInteger:
      loadVectorOperand(op, form.source)
      write(UInt8(8 * instruction.regNumber)) {
        $0.code.vector(
          form.prefix, instruction.opcode, $1, .register(HostRegister(number: 1)), size: instruction.rexW ? 8 : 4)
      }
    }
    return .next
  }

  /// From here on the host's MXCSR is the guest's, up to the next call or way out of translated code
  /// (`SharedCode.closeFloats`), however many blocks that takes: to load it costs as much as many sums. Leaves at `op`
  /// where an exception is not masked, or MXCSR has the bit that only some hosts have.
  mutating func openFloats(_ op: OperationPointer) {
    guard !floatsAreOpen else { return }
    code.test(slot(SystemSlot.floatsAreOpen), immediate: OpenFloats.vectors, size: 4)
    let isOpen = code.branch(.notEqual)
    code.load(.rax, slot(Slot.mxcsr), size: 4)
    code.alu(ALU.and, .register(.rax), immediate: Int32(MXCSR.masks | MXCSR.misaligned), size: 4)
    code.alu(ALU.cmp, .register(.rax), immediate: Int32(MXCSR.masks), size: 4)
    leave(at: op, when: .notEqual)
    code.loadMXCSR(slot(Slot.mxcsr))
    code.alu(ALU.or, slot(SystemSlot.floatsAreOpen), immediate: OpenFloats.vectors, size: 4)
    code.place(isOpen)
    floatsAreOpen = true
  }
}

extension Assembler {
  mutating func loadMXCSR(_ operand: HostOperand) { instruction(0x1ae, extension: 2, operand, size: 4) }
  mutating func storeMXCSR(_ operand: HostOperand) { instruction(0x1ae, extension: 3, operand, size: 4) }
}

/// An SSE instruction that may raise floating-point exceptions.
struct FloatForm {
  enum Kind {
    /// XMM register and operand to the register: sums, conversions between formats, …
    case arithmetic
    /// To the flags.
    case comparison
    /// From, or to, a general register.
    case fromInteger, toInteger
  }
  var kind: Kind
  /// The mandatory prefix as a byte; 0 for none.
  var prefix: UInt8
  var source: VectorSource

  init?(_ op: Op) {
    prefix = op.mandatoryPrefix.byte
    let isScalar = op.mandatoryPrefix == .pF3 || op.mandatoryPrefix == .pF2
    let scalar = VectorSource(size: op.mandatoryPrefix == .pF3 ? 4 : 8, isAligned: false)
    switch op.opcode {
    case 0x51, 0x58, 0x59, 0x5c...0x5f, 0xc2: (kind, source) = (.arithmetic, isScalar ? scalar : .whole)
    case 0x7c, 0x7d, 0xd0, 0x5b: (kind, source) = (.arithmetic, .whole)
    case 0x5a:
      let isHalf = op.mandatoryPrefix == .none
      (kind, source) = (.arithmetic, isScalar ? scalar : isHalf ? VectorSource(size: 8, isAligned: false) : .whole)
    case 0xe6:
      let isHalf = op.mandatoryPrefix == .pF3
      (kind, source) = (.arithmetic, isHalf ? VectorSource(size: 8, isAligned: false) : .whole)
    case 0x2e, 0x2f:
      let size = op.mandatoryPrefix == .p66 ? 8 : 4
      (kind, source) = (.comparison, VectorSource(size: size, isAligned: false))
    // The others are MMX's.
    case 0x2a where isScalar: (kind, source) = (.fromInteger, .whole)
    case 0x2c where isScalar, 0x2d where isScalar: (kind, source) = (.toInteger, scalar)
    default: return nil
    }
  }
}
