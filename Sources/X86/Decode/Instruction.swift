/// One decoded instruction, as its bytes say: 40 bytes of plain data. Registers are named by their byte offset in the
/// state block, so that AH is the byte after AL and a missing base or index register is the word that is always zero.
struct Instruction {
  var handler: Handler = .undefined
  /// Operand size in bytes.
  var size: UInt8 = 4
  /// Bytes of code.
  var length: UInt8 = 0
  /// The register operand (ModRM.reg).
  var reg: UInt8 = 0
  /// The other operand, when it is a register (ModRM.rm, or the opcode's low bits, or the accumulator).
  var rm: UInt8 = 0
  var base: UInt8 = 128
  var index: UInt8 = 128
  /// The index register is shifted left by this.
  var scale: UInt8 = 0
  /// The byte offset of the segment base to add (the zero word where 64-bit code ignores it).
  var segmentSlot: UInt8 = 128
  /// Segment number (bits 2:0), address size (4:3: 16, 32, 64 bits), opcode map (6:5), VEX (7).
  var place: UInt8 = 0
  /// `Prefix`.
  var prefixes: UInt8 = 0
  /// Which of a family: the ALU operation, the condition, …
  var kind: UInt8 = 0
  var opcode: UInt8 = 0
  var modRM: UInt8 = 0
  var displacement: UInt64 = 0
  /// The immediate operand, sign-extended; for near branches the target.
  var immediate: UInt64 = 0
  /// The offset of the instruction's first byte in CS.
  var rip: UInt64 = 0

  /// The offset of the next instruction. Meaningful in 64-bit code; elsewhere see `CPU.nextRIP`.
  @inline(__always) var next: UInt64 { rip &+ UInt64(length) }
  @inline(__always) var isVEX: Bool { place & 128 != 0 }
}

/// Bits of `Instruction.prefixes`.
enum Prefix {
  static var lock: UInt8 { 1 }
  /// F3.
  static var rep: UInt8 { 2 }
  /// F2.
  static var repne: UInt8 { 4 }
  /// 66.
  static var operandSize: UInt8 { 8 }
  static var rexW: UInt8 { 16 }
  /// The ModRM operand is in memory.
  static var memory: UInt8 { 32 }
  /// `CPU.plainAddress` may be used.
  static var plain: UInt8 { 64 }
  static var rex: UInt8 { 128 }
}

/// How instructions are passed around: a pointer, never a copy. Nothing changes one that has been decoded.
typealias Op = UnsafePointer<Instruction>

extension Op {
  @inline(__always) var handler: Handler { pointee.handler }
  @inline(__always) var size: Int { Int(pointee.size) }
  @inline(__always) var reg: UInt8 { pointee.reg }
  @inline(__always) var rm: UInt8 { pointee.rm }
  @inline(__always) var base: UInt8 { pointee.base }
  @inline(__always) var index: UInt8 { pointee.index }
  @inline(__always) var scale: UInt8 { pointee.scale }
  @inline(__always) var segmentSlot: UInt8 { pointee.segmentSlot }
  @inline(__always) var kind: UInt8 { pointee.kind }
  @inline(__always) var opcode: UInt8 { pointee.opcode }
  @inline(__always) var modRM: UInt8 { pointee.modRM }
  @inline(__always) var displacement: UInt64 { pointee.displacement }
  @inline(__always) var immediate: UInt64 { pointee.immediate }
  @inline(__always) var rip: UInt64 { pointee.rip }
  @inline(__always) var next: UInt64 { pointee.next }

  /// The number (0 … 15) of the register operand, for registers that are not bytes: GPRs, XMM, control registers, …
  @inline(__always) var regNumber: Int { Int(pointee.reg &>> 3) }
  /// The number (0 … 15) of the other register operand.
  @inline(__always) var rmNumber: Int { Int(pointee.rm &>> 3) }
  /// The number of the segment register that a memory operand uses.
  @inline(__always) var segment: Int { Int(pointee.place & 7) }
  /// 2, 4 or 8 bytes.
  @inline(__always) var addressSize: Int { 2 &<< Int(pointee.place &>> 3 & 3) }
  /// 0 one-byte opcodes, 1 0F, 2 0F 38, 3 0F 3A.
  @inline(__always) var map: Int { Int(pointee.place &>> 5 & 3) }
  @inline(__always) var isVEX: Bool { pointee.isVEX }
  /// The ModRM operand is in memory.
  @inline(__always) var isMemory: Bool { pointee.prefixes & Prefix.memory != 0 }
  @inline(__always) var isPlainAddress: Bool { pointee.prefixes & Prefix.plain != 0 }
  @inline(__always) var isLocked: Bool { pointee.prefixes & Prefix.lock != 0 }
  @inline(__always) var isRepeated: Bool { pointee.prefixes & (Prefix.rep | Prefix.repne) != 0 }
  @inline(__always) var rexW: Bool { pointee.prefixes & Prefix.rexW != 0 }
  /// ModRM.reg without REX.R.
  @inline(__always) var modRMReg: UInt8 { pointee.modRM &>> 3 & 7 }
  /// ModRM.rm without REX.B.
  @inline(__always) var modRMRM: UInt8 { pointee.modRM & 7 }
  /// The mandatory prefix of SSE opcodes: F3 and F2 win over 66.
  @inline(__always) var mandatoryPrefix: MandatoryPrefix { MandatoryPrefix(prefixes: pointee.prefixes) }
}

/// The prefix that selects among the SSE instructions of one opcode.
enum MandatoryPrefix: UInt8 {
  case none = 0
  case p66 = 1
  case pF3 = 2
  case pF2 = 3

  @inline(__always) init(prefixes: UInt8) {
    if prefixes & Prefix.rep != 0 {
      self = .pF3
    } else if prefixes & Prefix.repne != 0 {
      self = .pF2
    } else {
      self = prefixes & Prefix.operandSize != 0 ? .p66 : .none
    }
  }
}
