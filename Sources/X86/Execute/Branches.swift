// JMP, Jcc, CALL, RET, LOOP, JCXZ.
extension CPU {
  @inline(never)
  func executeJcc(_ op: Op) -> Bool { condition(op.kind) ? jump(op.immediate) : true }

  @inline(never)
  func executeCall(_ op: Op, _ target: UInt64) -> Bool {
    let mask: UInt64 = op.size == 8 ? .max : op.size == 4 ? 0xffff_ffff : 0xffff
    let back = op.next & mask
    let saved = rip
    guard jump(target & mask) else { return false }
    let done: Bool
    switch op.size {
    case 2: done = push(UInt16(truncatingIfNeeded: back))
    case 4: done = push(UInt32(truncatingIfNeeded: back))
    default: done = push(back)
    }
    if !done { rip = saved }
    return done
  }

  @inline(never)
  func executeReturn(_ op: Op) -> Bool {
    guard let target = topOfStack(op.size), jump(target) else { return false }
    setStackPointer(rsp &+ UInt64(op.size) &+ op.immediate)
    return true
  }

  /// The value at the top of the stack, of 2, 4 or 8 bytes.
  @inline(__always)
  func topOfStack(_ size: Int, _ offset: UInt64 = 0) -> UInt64? {
    switch size {
    case 2: top(UInt16.self, offset).map { UInt64($0) }
    case 4: top(UInt32.self, offset).map { UInt64($0) }
    default: top(UInt64.self, offset)
    }
  }

  @inline(never)
  func executeIndirect(_ op: Op) -> Bool {
    guard let target = readRMWord(op) else { return false }
    return op.handler == .callRM ? executeCall(op, target) : jump(target)
  }

  /// LOOPNE, LOOPE, LOOP (kind 0, 1, 2), which count CX, ECX or RCX by the address size.
  @inline(never)
  func executeLoop(_ op: Op) -> Bool {
    let mask = addressMask(op.addressSize)
    let count = (rcx &- 1) & mask
    let goesOn = count != 0 && (op.kind == 2 || zf == (op.kind == 1))
    if goesOn && !jump(op.immediate) { return false }
    setCounter(count, op.addressSize)
    return true
  }

  /// Writes CX, ECX (clearing the upper half) or RCX.
  @inline(__always)
  func setCounter(_ value: UInt64, _ addressSize: Int) {
    switch addressSize {
    case 2: rcx = rcx & ~0xffff | value & 0xffff
    case 4: rcx = value & 0xffff_ffff
    default: rcx = value
    }
  }

  @inline(never)
  func executeJcxz(_ op: Op) -> Bool {
    rcx & addressMask(op.addressSize) == 0 ? jump(op.immediate) : true
  }
}
