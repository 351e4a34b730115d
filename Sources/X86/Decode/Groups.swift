/// Opcodes of which ModRM.reg chooses the instruction (Intel SDM vol. 2, table A-6). The flags of a row are added to
/// those of the opcode.
enum Group {
  static var alu: UInt8 { 0 }
  static var popRM: UInt8 { 1 }
  static var movImm: UInt8 { 2 }
  static var unary: UInt8 { 3 }
  static var incDec: UInt8 { 4 }
  static var ff: UInt8 { 5 }
  static var g0f00: UInt8 { 6 }
  static var g0f01: UInt8 { 7 }
  static var bit: UInt8 { 8 }
  static var g0fC7: UInt8 { 9 }
  static var g0fAE: UInt8 { 10 }
  static var vex17: UInt8 { 11 }

  nonisolated(unsafe) static let table = makeTable(12 * 8) { t in
    addIntegerGroups(t)
    addSystemGroups(t)
  }

  private static func addIntegerGroups(_ t: UnsafeMutablePointer<Encoding>) {
    for row in 0..<8 {
      let kind = UInt8(row)
      t[Int(alu) * 8 + row] = Encoding(.aluRMImm, kind: kind, kind == ALU.cmp ? 0 : Form.lockable)
    }
    t[Int(popRM) * 8] = Encoding(.popRM)
    t[Int(movImm) * 8] = Encoding(.movRMImm)

    let unary = Int(unary) * 8
    t[unary] = Encoding(.testRMImm, Form.immZ)
    t[unary + 1] = Encoding(.testRMImm, Form.immZ)
    t[unary + 2] = Encoding(.unaryRM, kind: Unary.not, Form.lockable)
    t[unary + 3] = Encoding(.unaryRM, kind: Unary.neg, Form.lockable)
    t[unary + 4] = Encoding(.mulRM)
    t[unary + 5] = Encoding(.imulRM)
    t[unary + 6] = Encoding(.divRM)
    t[unary + 7] = Encoding(.idivRM)

    t[Int(incDec) * 8] = Encoding(.unaryRM, kind: Unary.inc, Form.lockable)
    t[Int(incDec) * 8 + 1] = Encoding(.unaryRM, kind: Unary.dec, Form.lockable)

    let ff = Int(ff) * 8
    t[ff] = Encoding(.unaryRM, kind: Unary.inc, Form.lockable)
    t[ff + 1] = Encoding(.unaryRM, kind: Unary.dec, Form.lockable)
    t[ff + 2] = Encoding(.callRM, Form.force64)
    t[ff + 3] = .system(.callFarIndirect, Form.memoryOnly)
    t[ff + 4] = Encoding(.jmpRM, Form.force64)
    t[ff + 5] = .system(.jmpFarIndirect, Form.memoryOnly)
    t[ff + 6] = Encoding(.pushRM, Form.default64)

    // BT, BTS, BTR, BTC with an immediate.
    for row in 4..<8 {
      t[Int(bit) * 8 + row] = Encoding(.bitImm, kind: UInt8(row - 4), row == 4 ? 0 : Form.lockable)
    }
    t[Int(vex17) * 8 + 1] = Encoding(.blsr)
    t[Int(vex17) * 8 + 2] = Encoding(.blsmsk)
    t[Int(vex17) * 8 + 3] = Encoding(.blsi)
  }

  private static func addSystemGroups(_ t: UnsafeMutablePointer<Encoding>) {
    for (row, operation) in [SystemOperation.sldt, .str, .lldt, .ltr, .verr, .verw].enumerated() {
      t[Int(g0f00) * 8 + row] = .system(operation)
    }
    // The register forms of 0F 01 are told apart by the decoder.
    let table: [(Int, SystemOperation, UInt32)] = [
      (0, .sgdt, Form.memoryOnly), (1, .sidt, Form.memoryOnly), (2, .lgdt, Form.memoryOnly),
      (3, .lidt, Form.memoryOnly), (4, .smsw, 0), (6, .lmsw, 0), (7, .invlpg, Form.memoryOnly),
    ]
    for (row, operation, flags) in table { t[Int(g0f01) * 8 + row] = .system(operation, flags) }

    let c7 = Int(g0fC7) * 8
    t[c7 + 1] = Encoding(.cmpxchg8b, Form.memoryOnly | Form.lockable | Form.sizeW)
    // XRSTORS, XSAVEC, XSAVES in memory; RDRAND, RDSEED, RDPID in a register.
    for row in 3...5 { t[c7 + row] = Encoding(.vector, Form.memoryOnly) }
    t[c7 + 6] = .system(.rdrand, Form.registerOnly)
    t[c7 + 7] = .system(.rdseed, Form.registerOnly)

    // FXSAVE, FXRSTOR, LDMXCSR, STMXCSR, XSAVE, XRSTOR, XSAVEOPT, CLFLUSH; the decoder tells the register forms apart.
    for row in 0..<7 { t[Int(g0fAE) * 8 + row] = Encoding(.vector) }
    t[Int(g0fAE) * 8 + 7] = Encoding(.touch, Form.byte)
  }
}
