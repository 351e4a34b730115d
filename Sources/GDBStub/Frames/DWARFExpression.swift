/// Assembles a DWARF expression (DWARF 5, 2.5 and 7.7.1) that gdb evaluates to unwind a frame.
struct DWARFExpression {
  private(set) var bytes: [UInt8] = []

  /// A place to branch to, and where the branches are that wait for it.
  struct Label {
    fileprivate var position: Int?
    fileprivate var waiting: [Int] = []
  }

  /// Operations without operands, by their opcodes.
  enum Operation: UInt8 {
    case deref = 0x06, dup = 0x12, drop, over, swap = 0x16
    case and = 0x1a, div, minus, mul = 0x1e, or = 0x21, plus
    case shl = 0x24, shr, shra, eq = 0x29, ge, gt, lt = 0x2d
  }

  /// DW_OP_deref_size: the 4 bytes at the address.
  mutating func derefWord() { bytes += [0x94, 4] }

  mutating func add(_ operations: Operation...) { bytes += operations.map(\.rawValue) }

  /// DW_OP_lit0 to lit31, or a constant of 1, 2 or 8 bytes.
  mutating func push(_ value: UInt64) {
    switch value {
    case 0..<32: bytes.append(0x30 + UInt8(value))
    case 0..<0x100: append(opcode: 0x08, value, size: 1)
    case 0..<0x1_0000: append(opcode: 0x0a, value, size: 2)
    default: append(opcode: 0x0e, value, size: 8)
    }
  }

  /// DW_OP_pick: the entry so many below the top.
  mutating func pick(_ depth: UInt8) { bytes += [0x15, depth] }

  /// A register of this frame, and a distance.
  mutating func push(_ register: DWARFRegister, offset: Int = 0) {
    bytes += [0x92, register.rawValue]
    bytes.append(signedLEB128: offset)
  }

  /// A constant of 8 bytes that may be negative, added.
  mutating func add(signed value: Int) {
    append(opcode: 0x0e, UInt64(bitPattern: Int64(value)), size: 8)
    add(.plus)
  }

  /// DW_OP_plus_uconst.
  mutating func add(constant: UInt8) {
    precondition(constant < 0x80)
    bytes += [0x23, constant]
  }

  /// Branches inside `other` count from where they are.
  mutating func append(_ other: DWARFExpression) { bytes += other.bytes }

  /// DW_OP_bra: taken when the top, which is dropped, is not 0.
  mutating func branch(to label: inout Label) { branch(0x28, &label) }
  /// DW_OP_skip.
  mutating func jump(to label: inout Label) { branch(0x2f, &label) }

  mutating func place(_ label: inout Label) {
    label.position = bytes.count
    for site in label.waiting { patch(site, bytes.count) }
    label.waiting = []
  }

  private mutating func branch(_ opcode: UInt8, _ label: inout Label) {
    bytes += [opcode, 0, 0]
    let site = bytes.count - 2
    if let position = label.position { patch(site, position) } else { label.waiting.append(site) }
  }

  /// Branches count from behind their operand.
  private mutating func patch(_ site: Int, _ target: Int) {
    let distance = UInt16(bitPattern: Int16(target - site - 2))
    bytes[site] = UInt8(distance & 0xff)
    bytes[site + 1] = UInt8(distance >> 8)
  }

  private mutating func append(opcode: UInt8, _ value: UInt64, size: Int) {
    bytes.append(opcode)
    for index in 0..<size { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
  }
}

/// Registers by their DWARF numbers (System V ABI, AMD64 supplement, figure 3.36).
enum DWARFRegister: UInt8, CaseIterable {
  case rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15
  /// The return address: where the frame before goes on.
  case rip
  case rflags = 49
  case cs = 51
  case ss = 52
}
