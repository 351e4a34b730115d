// Operands of the integer instructions.
extension CPU {
  /// A general register operand (or AH … BH) by its byte offset.
  @inline(__always)
  func register<T: FixedWidthInteger & UnsignedInteger>(_ offset: UInt8, _ type: T.Type) -> T {
    bytes.load(fromByteOffset: Int(offset), as: T.self)
  }

  /// Writes a register; 32-bit values clear the upper half, shorter ones leave the rest.
  @inline(__always)
  func setRegister<T: FixedWidthInteger & UnsignedInteger>(_ offset: UInt8, _ value: T) {
    if T.bitWidth == 32 {
      bytes.storeBytes(of: UInt64(truncatingIfNeeded: value), toByteOffset: Int(offset), as: UInt64.self)
    } else {
      bytes.storeBytes(of: value, toByteOffset: Int(offset), as: T.self)
    }
  }

  /// The ModRM.rm operand, register or memory.
  @inline(__always)
  func readRM<T: FixedWidthInteger & UnsignedInteger>(_ op: Op, _ type: T.Type) -> T? {
    guard op.isMemory else { return register(op.rm, T.self) }
    guard let at = address(op, MemoryLayout<T>.size) else { return nil }
    return load(T.self, at)
  }

  @inline(__always)
  func writeRM<T: FixedWidthInteger & UnsignedInteger>(_ op: Op, _ value: T) -> Bool {
    guard op.isMemory else {
      setRegister(op.rm, value)
      return true
    }
    guard let at = address(op, MemoryLayout<T>.size, write: true) else { return false }
    return store(value, at)
  }

  /// Reads the operand, and writes what `body` makes of it; `body` is called once and may note flags to set after the
  /// store has succeeded.
  @inline(__always)
  func modifyRM<T: FixedWidthInteger & UnsignedInteger>(_ op: Op, _ type: T.Type, _ body: (T) -> T) -> Bool {
    guard op.isMemory else {
      setRegister(op.rm, body(register(op.rm, T.self)))
      return true
    }
    guard let at = address(op, MemoryLayout<T>.size, write: true), let old = loadForStore(T.self, at) else {
      return false
    }
    return store(body(old), at)
  }

  /// Loads what is going to be stored to: a page that cannot be written faults as a write, before anything is read.
  @inline(__always)
  func loadForStore<T: FixedWidthInteger & UnsignedInteger>(_ type: T.Type, _ linear: UInt64) -> T? {
    guard prepareUpdate(linear, MemoryLayout<T>.size) else { return nil }
    return load(T.self, linear)
  }

  @inline(__always) func accumulator<T: FixedWidthInteger & UnsignedInteger>(_ type: T.Type) -> T {
    register(0, T.self)
  }

  /// The offset of the instruction after `op`.
  @inline(__always) func nextRIP(_ op: Op) -> UInt64 { is64Bit ? op.next : op.next & 0xffff_ffff }

  /// Sets RIP to a near branch's target; #GP(0) when it is not canonical or beyond the code segment.
  @inline(__always)
  func jump(_ target: UInt64) -> Bool {
    if s[Slot.mode] & Mode.codeSizeMask == Mode.code64 {
      guard isCanonical(target) else { return raiseProtection() }
    } else {
      guard target <= codeLimit else { return raiseProtection() }
    }
    rip = target
    return true
  }
}
