// Operands as 64-bit words with a size in bytes beside them: for the families that need no code of their own for each
// size.
extension CPU {
  @inline(__always) func sizeMask(_ size: Int) -> UInt64 { UInt64.max &>> UInt64(64 &- 8 &* size) }

  /// The topmost bit of a value of `size` bytes.
  @inline(__always) func signBit(_ value: UInt64, _ size: Int) -> Bool {
    value &>> UInt64(8 &* size &- 1) & 1 != 0
  }

  @inline(__always) func signExtended(_ value: UInt64, _ size: Int) -> UInt64 {
    let shift = UInt64(64 &- 8 &* size)
    return UInt64(bitPattern: Int64(bitPattern: value &<< shift) &>> Int64(shift))
  }

  /// A register operand, zero-extended.
  @inline(__always) func registerWord(_ offset: UInt8, _ size: Int) -> UInt64 {
    switch size {
    case 1: UInt64(register(offset, UInt8.self))
    case 2: UInt64(register(offset, UInt16.self))
    case 4: UInt64(register(offset, UInt32.self))
    default: register(offset, UInt64.self)
    }
  }

  @inline(__always) func setRegisterWord(_ offset: UInt8, _ value: UInt64, _ size: Int) {
    switch size {
    case 1: setRegister(offset, UInt8(truncatingIfNeeded: value))
    case 2: setRegister(offset, UInt16(truncatingIfNeeded: value))
    case 4: setRegister(offset, UInt32(truncatingIfNeeded: value))
    default: setRegister(offset, value)
    }
  }

  @inline(never) func loadWord(_ linear: UInt64, _ size: Int) -> UInt64? {
    switch size {
    case 1: load(UInt8.self, linear).map { UInt64($0) }
    case 2: load(UInt16.self, linear).map { UInt64($0) }
    case 4: load(UInt32.self, linear).map { UInt64($0) }
    default: load(UInt64.self, linear)
    }
  }

  @inline(never) func storeWord(_ value: UInt64, _ linear: UInt64, _ size: Int) -> Bool {
    switch size {
    case 1: store(UInt8(truncatingIfNeeded: value), linear)
    case 2: store(UInt16(truncatingIfNeeded: value), linear)
    case 4: store(UInt32(truncatingIfNeeded: value), linear)
    default: store(value, linear)
    }
  }

  /// The ModRM operand, zero-extended.
  @inline(__always) func readRMWord(_ op: Op) -> UInt64? { readRMWord(op, op.size) }

  @inline(__always) func readRMWord(_ op: Op, _ size: Int) -> UInt64? {
    guard op.isMemory else { return registerWord(op.rm, size) }
    guard let at = address(op, size) else { return nil }
    return loadWord(at, size)
  }

  @inline(__always) func writeRMWord(_ op: Op, _ value: UInt64) -> Bool {
    guard op.isMemory else {
      setRegisterWord(op.rm, value, op.size)
      return true
    }
    guard let at = address(op, op.size, write: true) else { return false }
    return storeWord(value, at, op.size)
  }

  /// Reads the operand and writes what `body` makes of it. `body` may note flags, to be set when this returned true.
  @inline(__always) func modifyRMWord(_ op: Op, _ body: (UInt64) -> UInt64) -> Bool {
    guard op.isMemory else {
      setRegisterWord(op.rm, body(registerWord(op.rm, op.size)), op.size)
      return true
    }
    guard let at = address(op, op.size, write: true), prepareUpdate(at, op.size), let old = loadWord(at, op.size)
    else { return false }
    return storeWord(body(old), at, op.size)
  }

  /// ZF, SF and PF from a result of `size` bytes.
  @inline(__always) func setResultFlags(_ result: UInt64, _ size: Int) {
    setResultFlags(signExtended(result, size))
  }
}
