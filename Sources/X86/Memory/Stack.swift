// The stack, as PUSH, POP, CALL, RET and the like use it. RSP changes last, so that a fault leaves it alone.
extension CPU {
  /// Which bits of RSP the stack pointer has: 16, 32 or 64.
  @inline(__always) var stackMask: UInt64 {
    let mode = s[Slot.mode]
    if mode & Mode.codeSizeMask == Mode.code64 { return .max }
    return mode & Mode.stack32 != 0 ? 0xffff_ffff : 0xffff
  }

  /// Sets the stack pointer: SP leaves the rest of RSP alone, ESP clears the upper half.
  @inline(__always) func setStackPointer(_ value: UInt64) {
    let mask = stackMask
    rsp = mask == 0xffff ? rsp & ~0xffff | value & 0xffff : value & mask
  }

  /// The linear address of `size` bytes at an offset from the stack pointer, checked.
  @inline(__always)
  func stackAddress(_ offset: UInt64, _ size: Int, write: Bool) -> UInt64? {
    if is64Bit { return rsp &+ offset }
    return linear(segment: SegmentNumber.ss, offset: (rsp &+ offset) & stackMask, size: size, write: write)
  }

  /// Pushes one value of its own width and moves the stack pointer.
  @inline(__always)
  func push<T: FixedWidthInteger & UnsignedInteger>(_ value: T) -> Bool {
    let size = UInt64(MemoryLayout<T>.size)
    guard let at = stackAddress(0 &- size, MemoryLayout<T>.size, write: true), store(value, at) else {
      return stackFault()
    }
    setStackPointer(rsp &- size)
    return true
  }

  /// A word of 4 bytes, of which the upper two in memory stay as they are.
  func pushLowWord(_ value: UInt16) -> Bool {
    guard let at = stackAddress(0 &- 4, 2, write: true), store(value, at) else { return stackFault() }
    setStackPointer(rsp &- 4)
    return true
  }

  /// The value at the top of the stack; the caller moves the stack pointer when nothing else can fail.
  @inline(__always)
  func top<T: FixedWidthInteger & UnsignedInteger>(_ type: T.Type, _ offset: UInt64 = 0) -> T? {
    guard let at = stackAddress(offset, MemoryLayout<T>.size, write: false), let value = load(T.self, at) else {
      _ = stackFault()
      return nil
    }
    return value
  }

  /// Stack accesses to a non-canonical address are #SS(0), where others are #GP(0).
  @inline(never)
  func stackFault() -> Bool {
    if s[Slot.faultPending] != 0 && s[Slot.faultVector] == UInt64(ExceptionVector.generalProtection) {
      s[Slot.faultVector] = UInt64(ExceptionVector.stackFault)
    }
    return false
  }
}
