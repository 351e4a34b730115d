internal import VMMCore

// MOV to and from segment registers, PUSH and POP of them, LES … LGS (Intel SDM vol. 2, MOV; vol. 3, 5.6 and 5.7).
extension CPU {
  func executeMoveToSegment(_ op: Op) -> Bool {
    let number = Int(op.modRMReg)
    guard number < 6, number != SegmentNumber.cs else { return raiseUndefined() }
    guard let selector = readSelector(op), loadSegment(number, selector) else { return false }
    if number == SegmentNumber.ss { startStackShadow() }
    return true
  }

  /// Memory gets 16 bits; a register gets the selector zero-extended to the operand size.
  func executeMoveFromSegment(_ op: Op) -> Bool {
    let number = Int(op.modRMReg)
    guard number < 6 else { return raiseUndefined() }
    return writeSelector(op, segmentSelector(number))
  }

  func executePushSegment(_ op: Op) -> Bool {
    let selector = segmentSelector(Int(op.immediate))
    if op.size == 4 && does(.pushesSegmentsAsWords) { return pushLowWord(selector) }
    // As on AMD's processors all of the operand is written, with zeros above the selector.
    return pushWord(UInt64(selector), op.size)
  }

  func executePopSegment(_ op: Op) -> Bool {
    let number = Int(op.immediate)
    guard let value = topOfStack(op.size) else { return false }
    // The size of the pop is that of the stack before SS changes.
    let mask = stackMask
    guard loadSegment(number, UInt16(truncatingIfNeeded: value)) else { return false }
    let pointer = rsp &+ UInt64(op.size)
    rsp = mask == 0xffff ? rsp & ~0xffff | pointer & 0xffff : pointer & mask
    if number == SegmentNumber.ss { startStackShadow() }
    return true
  }

  func executeLoadFarPointer(_ op: Op) -> Bool {
    guard let (offset, selector) = readFarPointer(op), loadSegment(Int(op.immediate), selector) else { return false }
    setRegister(op.reg, offset, size: op.size)
    return true
  }

  /// Interrupts and debug traps wait for the instruction after MOV SS or POP SS (not LSS, which sets RSP itself).
  func startStackShadow() {
    s[Slot.interruptShadow] = Shadow.stack
  }

  /// An offset of the operand size with a selector behind it.
  func readFarPointer(_ op: Op) -> (offset: UInt64, selector: UInt16)? {
    let size = op.size
    guard let at = address(op, size + 2) else { return nil }
    guard let offset = load(size: size, at) else { return nil }
    guard let selector = load(UInt16.self, nextLinear(at, UInt64(size))) else { return nil }
    return (offset, selector)
  }

  /// A load of 2, 4 or 8 bytes.
  func load(size: Int, _ linear: UInt64) -> UInt64? {
    switch size {
    case 2: load(UInt16.self, linear).map { UInt64($0) }
    case 4: load(UInt32.self, linear).map { UInt64($0) }
    default: load(UInt64.self, linear)
    }
  }

  /// Writes 2, 4 or 8 bytes of a general register given by its offset.
  func setRegister(_ offset: UInt8, _ value: UInt64, size: Int) {
    switch size {
    case 2: setRegister(offset, UInt16(truncatingIfNeeded: value))
    case 4: setRegister(offset, UInt32(truncatingIfNeeded: value))
    default: setRegister(offset, value)
    }
  }

  /// The 16-bit ModRM operand.
  func readSelector(_ op: Op) -> UInt16? { readRM(op, UInt16.self) }

  /// Stores 16 bits, or sets a register of the operand size.
  func writeSelector(_ op: Op, _ value: UInt16) -> Bool {
    if op.isMemory { return writeRM(op, value) }
    setRegister(op.rm, UInt64(value), size: op.size)
    return true
  }
}

// Loading ES, SS, DS, FS, GS.
extension CPU {
  /// Loads a data segment register in the current mode, with all checks; changes nothing when it returns false.
  func loadSegment(_ number: Int, _ selector: UInt16) -> Bool {
    guard isProtected, !isVirtual8086 else {
      loadRealSegment(number, selector)
      modeChanged()
      return true
    }
    guard let segment = checkedSegment(number, selector) else { return false }
    setSegment(number, segment)
    modeChanged()
    return true
  }

  /// In real mode a load changes the base only, so that the limit of protected mode lasts; in virtual-8086 mode all.
  func loadRealSegment(_ number: Int, _ selector: UInt16) {
    var segment = segment(number)
    segment.selector = selector
    segment.base = UInt64(selector) << 4
    if isVirtual8086 {
      segment.limit = 0xffff
      segment.attributes = 0xf3
    } else {
      segment.attributes = segment.attributes & 0xf000 | 0x93
    }
    setSegment(number, segment)
  }

  private func checkedSegment(_ number: Int, _ selector: UInt16) -> Segment? {
    if number == SegmentNumber.ss { return checkedStack(selector, level: privilegeLevel) }
    if selector & 0xfffc == 0 { return Segment(selector: selector, base: 0, limit: 0, attributes: unusableSegment) }
    guard var descriptor = descriptor(selector) else { return nil }
    let requested = max(Int(selector & 3), privilegeLevel)
    guard descriptor.isReadable,
      descriptor.isCode && descriptor.isConforming || requested <= descriptor.privilegeLevel
    else {
      raise(ExceptionVector.generalProtection, selector: selector)
      return nil
    }
    guard descriptor.isPresent else {
      raise(ExceptionVector.segmentNotPresent, selector: selector)
      return nil
    }
    guard markAccessed(&descriptor, selector) else { return nil }
    return descriptor.segment(selector)
  }

  /// Checks a selector for SS at a privilege level. `vector` is #TS when a task-state segment holds it; `long` says
  /// that 64-bit code will use it, where it may be null.
  func checkedStack(
    _ selector: UInt16, level: Int, vector: UInt8 = ExceptionVector.generalProtection, long: Bool? = nil
  ) -> Segment? {
    if selector & 0xfffc == 0 {
      if long ?? is64Bit, level < 3, Int(selector & 3) == level { return nullStack(selector, level: level) }
      raise(vector, selector: 0)
      return nil
    }
    guard var descriptor = descriptor(selector, orRaise: vector) else { return nil }
    guard Int(selector & 3) == level, descriptor.isWritableData, descriptor.privilegeLevel == level else {
      raise(vector, selector: selector)
      return nil
    }
    guard descriptor.isPresent else {
      raise(ExceptionVector.stackFault, selector: selector)
      return nil
    }
    guard markAccessed(&descriptor, selector) else { return nil }
    return descriptor.segment(selector)
  }

  /// A null SS of 64-bit code: its DPL is still CPL.
  func nullStack(_ selector: UInt16, level: Int) -> Segment {
    Segment(selector: selector, base: 0, limit: 0, attributes: unusableSegment | UInt32(level) << 5)
  }
}
