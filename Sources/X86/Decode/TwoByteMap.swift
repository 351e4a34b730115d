/// The opcodes after 0F (Intel SDM vol. 2, table A-3).
enum TwoByteMap {
  nonisolated(unsafe) static let table = makeTable(256) { t in
    addSystem(t)
    addInteger(t)
    addBits(t)
    addVector(t)
  }

  private static func addSystem(_ t: UnsafeMutablePointer<Encoding>) {
    t[0x00] = Encoding(kind: Group.g0f00, Form.modRM | Form.group)
    t[0x01] = Encoding(kind: Group.g0f01, Form.modRM | Form.group)
    t[0x02] = .system(.lar, Form.modRM)
    t[0x03] = .system(.lsl, Form.modRM)
    t[0x05] = .system(.syscall)
    t[0x06] = .system(.clts)
    t[0x07] = .system(.sysret)
    t[0x08] = .system(.invd)
    t[0x09] = .system(.wbinvd)
    let moves: [(Int, SystemOperation)] = [
      (0x20, .movFromCR), (0x21, .movFromDR), (0x22, .movToCR), (0x23, .movToDR),
    ]
    for (opcode, operation) in moves { t[opcode] = .system(operation, Form.modRM | Form.ignoreMod | Form.force64) }
    t[0x30] = .system(.wrmsr)
    t[0x31] = .system(.rdtsc)
    t[0x32] = .system(.rdmsr)
    t[0x33] = .system(.rdpmc)
    t[0x34] = .system(.sysenter)
    t[0x35] = .system(.sysexit)
    t[0xa2] = .system(.cpuid)
    t[0xaa] = .system(.rsm)
    for (opcode, segment) in [(0xa0, 4), (0xa8, 5)] {
      t[opcode] = .system(.pushSegment, Form.default64)
      t[opcode].flags |= UInt32(segment) << 24
      t[opcode + 1] = .system(.popSegment, Form.default64)
      t[opcode + 1].flags |= UInt32(segment) << 24
    }
    for (opcode, segment) in [(0xb2, 2), (0xb4, 4), (0xb5, 5)] {
      t[opcode] = .system(.loadFarPointer, Form.modRM | Form.memoryOnly)
      t[opcode].flags |= UInt32(segment) << 24
    }
    t[0xae] = Encoding(kind: Group.g0fAE, Form.modRM | Form.group)
    t[0xc7] = Encoding(kind: Group.g0fC7, Form.modRM | Form.group)
  }

  private static func addInteger(_ t: UnsafeMutablePointer<Encoding>) {
    // Prefetches, hints and ENDBR do nothing, not even fault. PREFETCHW has no register form on AMD's processors.
    t[0x0d] = Encoding(.nop, Form.modRM | Form.memoryOnly)
    for opcode in 0x18...0x1f { t[opcode] = Encoding(.nop, Form.modRM) }
    for code in 0..<16 {
      t[0x40 + code] = Encoding(.cmov, kind: UInt8(code), Form.modRM)
      t[0x80 + code] = Encoding(.jcc, kind: UInt8(code), Form.immZ | Form.relative | Form.force64)
      t[0x90 + code] = Encoding(.setcc, kind: UInt8(code), Form.modRM | Form.byte)
    }
    t[0xaf] = Encoding(.imulRegRM, Form.modRM)
    t[0xb0] = Encoding(.cmpxchg, Form.modRM | Form.byte | Form.lockable)
    t[0xb1] = Encoding(.cmpxchg, Form.modRM | Form.lockable)
    t[0xb6] = Encoding(.movzx, kind: 1, Form.modRM | Form.rm8)
    t[0xb7] = Encoding(.movzx, kind: 2, Form.modRM)
    t[0xbe] = Encoding(.movsx, kind: 1, Form.modRM | Form.rm8)
    t[0xbf] = Encoding(.movsx, kind: 2, Form.modRM)
    t[0xc0] = Encoding(.xadd, Form.modRM | Form.byte | Form.lockable)
    t[0xc1] = Encoding(.xadd, Form.modRM | Form.lockable)
    t[0xc3] = Encoding(.movRMReg, Form.modRM | Form.memoryOnly | Form.sizeW)
    for register in 0..<8 { t[0xc8 + register] = Encoding(.bswap, Form.opcodeRegister) }
  }

  private static func addBits(_ t: UnsafeMutablePointer<Encoding>) {
    t[0xa3] = Encoding(.bitReg, kind: 0, Form.modRM)
    t[0xab] = Encoding(.bitReg, kind: 1, Form.modRM | Form.lockable)
    t[0xb3] = Encoding(.bitReg, kind: 2, Form.modRM | Form.lockable)
    t[0xbb] = Encoding(.bitReg, kind: 3, Form.modRM | Form.lockable)
    t[0xba] = Encoding(kind: Group.bit, Form.modRM | Form.group | Form.imm8)
    t[0xa4] = Encoding(.doubleShiftImm, kind: 0, Form.modRM | Form.imm8)
    t[0xa5] = Encoding(.doubleShiftCL, kind: 0, Form.modRM)
    t[0xac] = Encoding(.doubleShiftImm, kind: 1, Form.modRM | Form.imm8)
    t[0xad] = Encoding(.doubleShiftCL, kind: 1, Form.modRM)
    // With F3: POPCNT, TZCNT, LZCNT. The decoder chooses.
    t[0xb8] = Encoding(.popcnt, Form.modRM)
    t[0xbc] = Encoding(.bsf, Form.modRM)
    t[0xbd] = Encoding(.bsr, Form.modRM)
  }

  /// MMX and SSE: which of them exist, and which have an immediate, `vectorEncoding` says.
  private static func addVector(_ t: UnsafeMutablePointer<Encoding>) {
    let ranges: [ClosedRange<Int>] = [0x10...0x17, 0x28...0x2f, 0x50...0x76, 0x78...0x7f, 0xc4...0xc6, 0xd0...0xfe]
    for range in ranges {
      for opcode in range { t[opcode] = Encoding(.vector, Form.modRM) }
    }
    t[0xc2] = Encoding(.vector, Form.modRM)
    t[0x77] = Encoding(.vector)
  }
}
