// PUSH, POP, PUSHA, POPA, ENTER, LEAVE.
extension CPU {
  /// Pushes `size` bytes.
  @inline(__always)
  func pushWord(_ value: UInt64, _ size: Int) -> Bool {
    switch size {
    case 2: push(UInt16(truncatingIfNeeded: value))
    case 4: push(UInt32(truncatingIfNeeded: value))
    default: push(value)
    }
  }

  @inline(never)
  func executePush(_ op: Op) -> Bool {
    if op.handler == .pushImm { return pushWord(op.immediate, op.size) }
    guard let value = readRMWord(op) else { return false }
    return pushWord(value, op.size)
  }

  /// A destination in memory is addressed with the stack pointer already moved.
  @inline(never)
  func executePop(_ op: Op) -> Bool {
    let size = op.size
    guard let value = topOfStack(size) else { return false }
    let old = rsp
    setStackPointer(rsp &+ UInt64(size))
    guard op.isMemory else {
      setRegisterWord(op.rm, value, size)
      return true
    }
    guard let at = address(op, size, write: true), storeWord(value, at, size) else {
      rsp = old
      return false
    }
    return true
  }

  /// The registers go one by one, RAX first; nothing is written before all of them can be.
  @inline(never)
  func executePushAll(_ op: Op) -> Bool {
    let size = op.size
    for number in 0..<8 {
      guard let at = stackSlot(-1 - number, size, write: true), prepareStore(at, size) else { return stackFault() }
    }
    for number in 0..<8 {
      guard let at = stackSlot(-1 - number, size, write: true), storeWord(s[number], at, size) else {
        return stackFault()
      }
    }
    setStackPointer(rsp &- UInt64(8 * size))
    return true
  }

  /// The linear address of a value of `size` bytes, counted from the top of the stack on.
  private func stackSlot(_ index: Int, _ size: Int, write: Bool) -> UInt64? {
    stackAddress(UInt64(bitPattern: Int64(index * size)), size, write: write)
  }

  /// The registers come one by one, RDI first. Where one faults those before it have their new values, and the stack
  /// pointer its old one.
  @inline(never)
  func executePopAll(_ op: Op) -> Bool {
    let size = op.size
    for number in (0..<8).reversed() {
      guard let at = stackSlot(7 - number, size, write: false), let value = loadWord(at, size) else {
        return stackFault()
      }
      if number != GPR.rsp { setRegisterWord(UInt8(number * 8), value, size) }
    }
    setStackPointer(rsp &+ UInt64(8 * size))
    return true
  }

  /// The frame's size is the immediate, the nesting level the displacement.
  @inline(never)
  func executeEnter(_ op: Op) -> Bool {
    let size = op.size
    let step = UInt64(size)
    let level = op.displacement & 31
    let (oldRSP, oldRBP) = (rsp, rbp)
    guard pushWord(rbp, size) else { return false }
    let frame = rsp
    if level > 0 {
      for number in 1..<max(level, 1) {
        let offset = (oldRBP &- step &* number) & stackMask
        guard let at = linear(segment: SegmentNumber.ss, offset: offset, size: size, write: false),
          let value = loadWord(at, size), pushWord(value, size)
        else {
          rsp = oldRSP
          return stackFault()
        }
      }
      guard pushWord(frame, size) else {
        rsp = oldRSP
        return false
      }
    }
    setStackPointer(rsp &- op.immediate)
    // The new top of the stack must be writable.
    guard let at = stackAddress(0, size, write: true), prepareStore(at, size) else {
      rsp = oldRSP
      return stackFault()
    }
    setRegisterWord(UInt8(GPR.rbp * 8), frame, size)
    return true
  }

  @inline(never)
  func executeLeave(_ op: Op) -> Bool {
    let size = op.size
    guard
      let at = is64Bit
        ? rbp : linear(segment: SegmentNumber.ss, offset: rbp & stackMask, size: size, write: false),
      let value = loadWord(at, size)
    else { return stackFault() }
    setStackPointer(rbp &+ UInt64(size))
    setRegisterWord(UInt8(GPR.rbp * 8), value, size)
    return true
  }
}
