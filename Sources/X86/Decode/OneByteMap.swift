/// The one-byte opcodes (Intel SDM vol. 2, table A-2).
enum OneByteMap {
  nonisolated(unsafe) static let table = makeTable(256) { t in
    addArithmetic(t)
    addStackAndMoves(t)
    addImmediatesAndGroups(t)
    addStringsAndPorts(t)
    addControlFlow(t)
    addFlagsAndDecimal(t)
    for opcode in 0xd8...0xdf { t[opcode] = Encoding(.x87, Form.modRM) }
  }

  private static func addArithmetic(_ t: UnsafeMutablePointer<Encoding>) {
    for operation in 0..<8 {
      let kind = UInt8(operation)
      let base = operation * 8
      let lock = kind == ALU.cmp ? 0 : Form.lockable
      t[base] = Encoding(.aluRMReg, kind: kind, Form.modRM | Form.byte | lock)
      t[base + 1] = Encoding(.aluRMReg, kind: kind, Form.modRM | lock)
      t[base + 2] = Encoding(.aluRegRM, kind: kind, Form.modRM | Form.byte)
      t[base + 3] = Encoding(.aluRegRM, kind: kind, Form.modRM)
      t[base + 4] = Encoding(.aluRMImm, kind: kind, Form.accumulator | Form.byte | Form.imm8)
      t[base + 5] = Encoding(.aluRMImm, kind: kind, Form.accumulator | Form.immZ)
    }
    for register in 0..<8 {
      t[0x40 + register] = Encoding(.unaryRM, kind: Unary.inc, Form.opcodeRegister | Form.not64)
      t[0x48 + register] = Encoding(.unaryRM, kind: Unary.dec, Form.opcodeRegister | Form.not64)
    }
    t[0x69] = Encoding(.imulRegRMImm, Form.modRM | Form.immZ)
    t[0x6b] = Encoding(.imulRegRMImm, Form.modRM | Form.imm8)
    t[0x84] = Encoding(.testRMReg, Form.modRM | Form.byte)
    t[0x85] = Encoding(.testRMReg, Form.modRM)
    t[0xa8] = Encoding(.testRMImm, Form.accumulator | Form.byte | Form.imm8)
    t[0xa9] = Encoding(.testRMImm, Form.accumulator | Form.immZ)
  }

  private static func addStackAndMoves(_ t: UnsafeMutablePointer<Encoding>) {
    for (opcode, segment) in [(0x06, 0), (0x0e, 1), (0x16, 2), (0x1e, 3)] {
      t[opcode] = .system(.pushSegment, Form.not64)
      t[opcode].flags |= UInt32(segment) << 24
    }
    for (opcode, segment) in [(0x07, 0), (0x17, 2), (0x1f, 3)] {
      t[opcode] = .system(.popSegment, Form.not64)
      t[opcode].flags |= UInt32(segment) << 24
    }
    for register in 0..<8 {
      t[0x50 + register] = Encoding(.pushRM, Form.opcodeRegister | Form.default64)
      t[0x58 + register] = Encoding(.popRM, Form.opcodeRegister | Form.default64)
      t[0x90 + register] = Encoding(.xchgRMReg, Form.opcodeRegister)
      t[0xb0 + register] = Encoding(.movRMImm, Form.opcodeRegister | Form.byte | Form.imm8)
      t[0xb8 + register] = Encoding(.movRMImm, Form.opcodeRegister | Form.immV)
    }
    t[0x60] = Encoding(.pushAll, Form.not64)
    t[0x61] = Encoding(.popAll, Form.not64)
    t[0x62] = Encoding(.bound, Form.modRM | Form.not64 | Form.memoryOnly)
    t[0x63] = Encoding(.movsx, kind: 4, Form.modRM)
    t[0x68] = Encoding(.pushImm, Form.immZ | Form.default64)
    t[0x6a] = Encoding(.pushImm, Form.imm8 | Form.default64)
    t[0x86] = Encoding(.xchgRMReg, Form.modRM | Form.byte | Form.lockable)
    t[0x87] = Encoding(.xchgRMReg, Form.modRM | Form.lockable)
    t[0x88] = Encoding(.movRMReg, Form.modRM | Form.byte)
    t[0x89] = Encoding(.movRMReg, Form.modRM)
    t[0x8a] = Encoding(.movRegRM, Form.modRM | Form.byte)
    t[0x8b] = Encoding(.movRegRM, Form.modRM)
    t[0x8c] = .system(.movFromSegment, Form.modRM)
    t[0x8d] = Encoding(.lea, Form.modRM | Form.memoryOnly)
    t[0x8e] = .system(.movToSegment, Form.modRM)
    t[0x8f] = Encoding(kind: Group.popRM, Form.modRM | Form.group | Form.default64)
    t[0x98] = Encoding(.convertA)
    t[0x99] = Encoding(.convertD)
    t[0xa0] = Encoding(.movRegRM, Form.moffs | Form.byte)
    t[0xa1] = Encoding(.movRegRM, Form.moffs)
    t[0xa2] = Encoding(.movRMReg, Form.moffs | Form.byte)
    t[0xa3] = Encoding(.movRMReg, Form.moffs)
    t[0xd7] = Encoding(.xlat, Form.byte)
  }

  private static func addImmediatesAndGroups(_ t: UnsafeMutablePointer<Encoding>) {
    let group = Form.modRM | Form.group
    t[0x80] = Encoding(kind: Group.alu, group | Form.byte | Form.imm8)
    t[0x81] = Encoding(kind: Group.alu, group | Form.immZ)
    t[0x82] = Encoding(kind: Group.alu, group | Form.byte | Form.imm8 | Form.not64)
    t[0x83] = Encoding(kind: Group.alu, group | Form.imm8)
    t[0xc0] = Encoding(.shiftRMImm, Form.modRM | Form.byte | Form.imm8)
    t[0xc1] = Encoding(.shiftRMImm, Form.modRM | Form.imm8)
    t[0xc6] = Encoding(kind: Group.movImm, group | Form.byte | Form.imm8)
    t[0xc7] = Encoding(kind: Group.movImm, group | Form.immZ)
    // Shifts by one: the decoder gives them the immediate 1.
    t[0xd0] = Encoding(.shiftRMImm, Form.modRM | Form.byte)
    t[0xd1] = Encoding(.shiftRMImm, Form.modRM)
    t[0xd2] = Encoding(.shiftRMCL, Form.modRM | Form.byte)
    t[0xd3] = Encoding(.shiftRMCL, Form.modRM)
    t[0xf6] = Encoding(kind: Group.unary, group | Form.byte)
    t[0xf7] = Encoding(kind: Group.unary, group)
    t[0xfe] = Encoding(kind: Group.incDec, group | Form.byte)
    t[0xff] = Encoding(kind: Group.ff, group)
  }

  private static func addStringsAndPorts(_ t: UnsafeMutablePointer<Encoding>) {
    t[0x6c] = Encoding(.ins, Form.byte)
    t[0x6d] = Encoding(.ins)
    t[0x6e] = Encoding(.outs, Form.byte)
    t[0x6f] = Encoding(.outs)
    let strings: [(Int, Handler)] = [(0xa4, .movs), (0xa6, .cmps), (0xaa, .stos), (0xac, .lods), (0xae, .scas)]
    for (opcode, handler) in strings {
      t[opcode] = Encoding(handler, Form.byte)
      t[opcode + 1] = Encoding(handler)
    }
    t[0xe4] = Encoding(.inImm, Form.byte | Form.imm8)
    t[0xe5] = Encoding(.inImm, Form.imm8)
    t[0xe6] = Encoding(.outImm, Form.byte | Form.imm8)
    t[0xe7] = Encoding(.outImm, Form.imm8)
    t[0xec] = Encoding(.inDX, Form.byte)
    t[0xed] = Encoding(.inDX)
    t[0xee] = Encoding(.outDX, Form.byte)
    t[0xef] = Encoding(.outDX)
  }

  private static func addControlFlow(_ t: UnsafeMutablePointer<Encoding>) {
    for code in 0..<16 {
      t[0x70 + code] = Encoding(.jcc, kind: UInt8(code), Form.imm8 | Form.relative | Form.force64)
    }
    t[0x9a] = .system(.callFar, Form.far | Form.not64)
    t[0xc2] = Encoding(.ret, Form.imm16 | Form.force64)
    t[0xc3] = Encoding(.ret, Form.force64)
    t[0xc4] = .system(.loadFarPointer, Form.modRM | Form.memoryOnly | Form.not64)
    t[0xc5] = .system(.loadFarPointer, Form.modRM | Form.memoryOnly | Form.not64)
    t[0xc5].flags |= 3 << 24
    t[0xc8] = Encoding(.enter, Form.imm16imm8 | Form.default64)
    t[0xc9] = Encoding(.leave, Form.default64)
    t[0xca] = .system(.retFar, Form.imm16)
    t[0xcb] = .system(.retFar)
    t[0xcc] = .system(.int3)
    t[0xcd] = .system(.intN, Form.imm8)
    t[0xce] = .system(.into, Form.not64)
    t[0xcf] = .system(.iret)
    t[0xe0] = Encoding(.loop, kind: 0, Form.imm8 | Form.relative | Form.force64)
    t[0xe1] = Encoding(.loop, kind: 1, Form.imm8 | Form.relative | Form.force64)
    t[0xe2] = Encoding(.loop, kind: 2, Form.imm8 | Form.relative | Form.force64)
    t[0xe3] = Encoding(.jcxz, Form.imm8 | Form.relative | Form.force64)
    t[0xe8] = Encoding(.call, Form.immZ | Form.relative | Form.force64)
    t[0xe9] = Encoding(.jmp, Form.immZ | Form.relative | Form.force64)
    t[0xea] = .system(.jmpFar, Form.far | Form.not64)
    t[0xeb] = Encoding(.jmp, Form.imm8 | Form.relative | Form.force64)
    t[0xf1] = .system(.int1)
    t[0xf4] = .system(.hlt)
  }

  private static func addFlagsAndDecimal(_ t: UnsafeMutablePointer<Encoding>) {
    t[0x27] = Encoding(.daa, Form.not64)
    t[0x2f] = Encoding(.das, Form.not64)
    t[0x37] = Encoding(.aaa, Form.not64)
    t[0x3f] = Encoding(.aas, Form.not64)
    t[0xd4] = Encoding(.aam, Form.imm8 | Form.not64)
    t[0xd5] = Encoding(.aad, Form.imm8 | Form.not64)
    t[0xd6] = Encoding(.salc, Form.not64)
    t[0x9b] = Encoding(.x87)
    t[0x9c] = .system(.pushf, Form.default64)
    t[0x9d] = .system(.popf, Form.default64)
    t[0x9e] = Encoding(.sahf)
    t[0x9f] = Encoding(.lahf)
    t[0xf5] = Encoding(.flagOperation, kind: FlagOperation.cmc)
    t[0xf8] = Encoding(.flagOperation, kind: FlagOperation.clc)
    t[0xf9] = Encoding(.flagOperation, kind: FlagOperation.stc)
    t[0xfa] = .system(.cli)
    t[0xfb] = .system(.sti)
    t[0xfc] = Encoding(.flagOperation, kind: FlagOperation.cld)
    t[0xfd] = Encoding(.flagOperation, kind: FlagOperation.std)
  }
}
