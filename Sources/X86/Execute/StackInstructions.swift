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

  @inline(never)
  func executePushAll(_ op: Op) -> Bool {
    let size = op.size
    guard let at = stackArea(size * 8, unit: size, write: true) else { return false }
    for number in 0..<8 {
      let value = s[number]
      guard storeWord(value, nextLinear(at, UInt64((7 - number) * size)), size) else { return stackFault() }
    }
    setStackPointer(rsp &- UInt64(8 * size))
    return true
  }

  /// The linear address of `size` bytes that are about to be pushed together.
  private func stackArea(_ size: Int, unit: Int, write: Bool) -> UInt64? {
    guard let at = stackAddress(0 &- UInt64(size), size, write: write), prepareStore(at, size, unit: unit) else {
      _ = stackFault()
      return nil
    }
    return at
  }

  @inline(never)
  func executePopAll(_ op: Op) -> Bool {
    let size = op.size
    guard let at = stackAddress(0, size * 8, write: false) else { return false }
    var values = InlineArray<8, UInt64>(repeating: 0)
    for number in 0..<8 {
      guard let value = loadWord(nextLinear(at, UInt64((7 - number) * size)), size) else { return stackFault() }
      values[number] = value
    }
    for number in 0..<8 where number != GPR.rsp { setRegisterWord(UInt8(number * 8), values[number], size) }
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
