/// What an opcode's row says: who executes it, and what follows the opcode byte.
struct Encoding {
  var handler: Handler = .undefined
  var kind: UInt8 = 0
  var flags: UInt32 = 0

  init(_ handler: Handler = .undefined, kind: UInt8 = 0, _ flags: UInt32 = 0) {
    self.handler = handler
    self.kind = kind
    self.flags = flags
  }

  static func system(_ operation: SystemOperation, _ flags: UInt32 = 0) -> Encoding {
    Encoding(.system, kind: operation.rawValue, flags)
  }
}

/// Bits of `Encoding.flags`.
enum Form {
  static var none: UInt32 { 0 }
  static var modRM: UInt32 { 1 << 0 }
  /// The operands are bytes.
  static var byte: UInt32 { 1 << 1 }
  // What immediate follows (bits 4:2).
  static var immMask: UInt32 { 7 << 2 }
  /// One byte, sign-extended.
  static var imm8: UInt32 { 1 << 2 }
  static var imm16: UInt32 { 2 << 2 }
  /// 2 or 4 bytes by operand size, sign-extended.
  static var immZ: UInt32 { 3 << 2 }
  /// 2, 4 or 8 bytes.
  static var immV: UInt32 { 4 << 2 }
  /// An offset of 2 or 4 bytes, then a selector.
  static var far: UInt32 { 5 << 2 }
  /// 2 bytes and 1 byte (ENTER).
  static var imm16imm8: UInt32 { 6 << 2 }
  /// An address of the address size.
  static var moffs: UInt32 { 7 << 2 }
  /// 64-bit operands by default in 64-bit code.
  static var default64: UInt32 { 1 << 5 }
  /// The immediate is relative to the next instruction.
  static var relative: UInt32 { 1 << 6 }
  /// The register is in the opcode's low bits.
  static var opcodeRegister: UInt32 { 1 << 7 }
  /// The operand is AL, AX, EAX or RAX.
  static var accumulator: UInt32 { 1 << 8 }
  /// #UD in 64-bit code.
  static var not64: UInt32 { 1 << 9 }
  static var lockable: UInt32 { 1 << 10 }
  /// ModRM.reg chooses among eight encodings: `kind` is the `Group`.
  static var group: UInt32 { 1 << 11 }
  static var memoryOnly: UInt32 { 1 << 12 }
  static var registerOnly: UInt32 { 1 << 13 }
  /// 32-bit operands, or 64-bit ones with REX.W: 66 does not count.
  static var sizeW: UInt32 { 1 << 14 }
  /// The ModRM.rm operand is a byte, whatever the other one is.
  static var rm8: UInt32 { 1 << 15 }
  /// 64-bit operands in 64-bit code, whatever the prefixes say.
  static var force64: UInt32 { 1 << 16 }
  /// ModRM always names registers (MOV CR, MOV DR).
  static var ignoreMod: UInt32 { 1 << 17 }
  /// CMP in an otherwise lockable group row, and the like: no LOCK.
  static var only64: UInt32 { 1 << 18 }
}

/// A table of encodings that is made once and never freed.
typealias EncodingTable = UnsafePointer<Encoding>

func makeTable(_ count: Int, _ fill: (UnsafeMutablePointer<Encoding>) -> Void) -> EncodingTable {
  let table = UnsafeMutablePointer<Encoding>.allocate(capacity: count)
  table.initialize(repeating: Encoding(), count: count)
  fill(table)
  return EncodingTable(table)
}
