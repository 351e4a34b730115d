// MOV, MOVZX, MOVSX, LEA, XCHG, CMOVcc, SETcc, BSWAP, MOVBE, CBW … CQO, XLAT.
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
