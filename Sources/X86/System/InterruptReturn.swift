internal import VMMCore

// INT n and IRET.
extension CPU {
  /// INT n, INT3, INTO, INT1: RIP points behind the instruction.
  func executeInterrupt(_ vector: UInt8, software: Bool = true) -> Bool {
    s[SystemSlot.external] = software ? 0 : 1
    let done = interrupt(
      Interruption(vector: vector, errorCode: nil, isSoftware: software, flags: rflags & ~RFlags.rf))
    s[SystemSlot.external] = 0
    // TF was cleared on the way: no trap before the handler.
    if done { s[SystemSlot.noTrap] = 1 }
    return done
  }

  func executeInterruptReturn(_ op: Op) -> Bool {
    let done: Bool
    if !isProtected {
      done = returnReal(op)
    } else if isVirtual8086 {
      guard s[Slot.systemFlags] & RFlags.iopl == RFlags.iopl else { return raiseProtection() }
      done = returnReal(op)
    } else if s[Slot.systemFlags] & RFlags.nt != 0 {
      // A return to another task.
      return raiseProtection()
    } else {
      done = returnProtected(op)
    }
    if done {
      s[Slot.nmiMasked] = 0
    }
    return done
  }

  private func returnReal(_ op: Op) -> Bool {
    let size = UInt64(op.size)
    guard let offset = topOfStack(op.size), let selector = topOfStack(op.size, size),
      let flags = topOfStack(op.size, 2 * size)
    else { return false }
    // In virtual-8086 mode IOPL stays.
    let level = isProtected ? 3 : 0
    guard jumpReal(UInt16(truncatingIfNeeded: selector), offset) else { return false }
    setStackPointer(rsp &+ 3 * size)
    restoreFlags(flags, size: op.size, level: level)
    modeChanged()
    return true
  }

  private func returnProtected(_ op: Op) -> Bool {
    let size = UInt64(op.size)
    guard let offset = topOfStack(op.size), let popped = topOfStack(op.size, size),
      let flags = topOfStack(op.size, 2 * size)
    else { return false }
    if !isLongMode && flags & RFlags.vm != 0 && privilegeLevel == 0 && op.size == 4 {
      return returnToVirtual8086(offset, UInt16(truncatingIfNeeded: popped), flags)
    }
    let selector = UInt16(truncatingIfNeeded: popped)
    guard let target = returnTarget(selector, offset) else { return false }
    let level = Int(selector & 3)
    let oldLevel = privilegeLevel
    if is64Bit || level > oldLevel {
      guard let pointer = topOfStack(op.size, 3 * size), let stack = topOfStack(op.size, 4 * size),
        let segment = checkedStack(UInt16(truncatingIfNeeded: stack), level: level, long: target.isLong)
      else { return false }
      setSegment(SegmentNumber.ss, segment)
      setStackPointer(pointer, in: segment, long: target.isLong)
    } else {
      setStackPointer(rsp &+ 3 * size)
    }
    restoreFlags(flags, size: op.size, level: oldLevel)
    if level > oldLevel { dropPrivilegedSegments(level: level) }
    commit(target)
    return true
  }

  /// Sets RFLAGS from an image of 2, 4 or 8 bytes with the rights of `level` (Intel SDM vol. 2, IRET).
  func restoreFlags(_ image: UInt64, size: Int, level: Int) {
    var mask = RFlags.status | RFlags.tf | RFlags.df | RFlags.nt | RFlags.rf | RFlags.ac | RFlags.id
    if level <= Int(truncatingIfNeeded: s[Slot.systemFlags] >> 12 & 3) { mask |= RFlags.interrupt }
    if level == 0 { mask |= RFlags.iopl }
    if level == 0 && isProtected { mask |= RFlags.vif | RFlags.vip }
    if size == 2 { mask &= 0xffff }
    rflags = rflags & ~mask | image & mask
  }

  private func returnToVirtual8086(_ offset: UInt64, _ code: UInt16, _ flags: UInt64) -> Bool {
    var words: [UInt64] = []
    for index in UInt64(3)..<9 {
      guard let word = topOfStack(4, 4 * index) else { return false }
      words.append(word)
    }
    guard offset <= 0xffff else { return raiseProtection() }
    rflags = flags & 0x3f_7fd5
    s[Slot.systemFlags] |= RFlags.vm
    setRealCode(code)
    rip = offset
    rsp = words[0] & 0xffff_ffff
    let order = [SegmentNumber.ss, SegmentNumber.es, SegmentNumber.ds, SegmentNumber.fs, SegmentNumber.gs]
    for (index, number) in order.enumerated() {
      loadRealSegment(number, UInt16(truncatingIfNeeded: words[index + 1]))
    }
    modeChanged()
    return true
  }
}
