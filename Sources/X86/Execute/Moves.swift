// MOV, MOVZX, MOVSX, LEA, XCHG, CMOVcc, SETcc, BSWAP, MOVBE, CBW … CQO, XLAT.
internal import VMMCore

extension CPU {
  @inline(never)
  func executeMove(_ op: Op) -> Bool {
    switch op.size {
    case 1: executeMove(op, UInt8.self)
    case 2: executeMove(op, UInt16.self)
    case 4: executeMove(op, UInt32.self)
    default: executeMove(op, UInt64.self)
    }
  }

  @inline(__always)
  private func executeMove<T: FixedWidthInteger & UnsignedInteger>(_ op: Op, _ type: T.Type) -> Bool {
    switch op.handler {
    case .movRegRM:
      guard let value = readRM(op, T.self) else { return false }
      setRegister(op.reg, value)
      return true
    case .movRMReg: return writeRM(op, register(op.reg, T.self))
    default: return writeRM(op, T(truncatingIfNeeded: op.immediate))
    }
  }
}

extension CPU {
  @inline(never)
  func executeExtend(_ op: Op) -> Bool {
    // MOVSXD may read four bytes even where it writes two.
    let from = op.size == 2 && does(.extendsWordsOfMOVSXD) ? min(Int(op.kind), 2) : Int(op.kind)
    guard let value = readRMWord(op, from) else { return false }
    setRegisterWord(op.reg, op.handler == .movsx ? signExtended(value, from) : value, op.size)
    return true
  }

  @inline(never)
  func executeLea(_ op: Op) -> Bool {
    setRegisterWord(op.reg, effectiveOffset(op), op.size)
    return true
  }

  /// The operand is read, and a 32-bit register's upper half cleared, whatever the condition.
  @inline(never)
  func executeConditionalMove(_ op: Op) -> Bool {
    guard let value = readRMWord(op) else { return false }
    let kept = registerWord(op.reg, op.size)
    setRegisterWord(op.reg, condition(op.kind) ? value : kept, op.size)
    return true
  }

  @inline(never)
  func executeSet(_ op: Op) -> Bool { writeRMWord(op, condition(op.kind) ? 1 : 0) }

  /// The 16-bit form is undefined; it clears the register's low half on the host's CPU.
  @inline(never)
  func executeByteSwap(_ op: Op) -> Bool {
    switch op.size {
    case 8: setRegister(op.rm, word(op.rm).byteSwapped)
    case 4: setRegister(op.rm, register(op.rm, UInt32.self).byteSwapped)
    default: setRegister(op.rm, UInt16(0))
    }
    return true
  }

  @inline(never)
  func executeMoveSwapped(_ op: Op) -> Bool {
    let size = op.size
    let shift = UInt64(64 - 8 * size)
    if op.handler == .movbeStore { return writeRMWord(op, registerWord(op.reg, size).byteSwapped >> shift) }
    guard let value = readRMWord(op) else { return false }
    setRegisterWord(op.reg, value.byteSwapped >> shift, size)
    return true
  }

  /// CBW, CWDE, CDQE; CWD, CDQ, CQO.
  @inline(never)
  func executeConvert(_ op: Op) -> Bool {
    let size = op.size
    if op.handler == .convertA {
      setRegisterWord(0, signExtended(rax, size / 2), size)
    } else {
      setRegisterWord(16, signBit(rax, size) ? .max : 0, size)
    }
    return true
  }

  @inline(never)
  func executeTranslate(_ op: Op) -> Bool {
    let offset = (rbx &+ rax & 0xff) & addressMask(op.addressSize)
    guard let at = linear(segment: op.segment, offset: offset, size: 1, write: false),
      let value = load(UInt8.self, at)
    else { return false }
    setRegister(0, value)
    return true
  }
}
