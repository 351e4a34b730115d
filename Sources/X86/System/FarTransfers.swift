internal import VMMCore

// Far JMP, CALL and RET (Intel SDM vol. 2; vol. 3, 5.8). Task gates and task-state segments raise #GP.
extension CPU {
  func executeFarDirect(_ op: Op, call: Bool) -> Bool {
    farTransfer(op, UInt16(truncatingIfNeeded: op.displacement), op.immediate, call: call)
  }

  func executeFarIndirect(_ op: Op, call: Bool) -> Bool {
    guard let (offset, selector) = readFarPointer(op) else { return false }
    return farTransfer(op, selector, offset, call: call)
  }

  private func farTransfer(_ op: Op, _ selector: UInt16, _ offset: UInt64, call: Bool) -> Bool {
    guard isProtected, !isVirtual8086 else {
      return call ? callReal(op, selector, offset) : jumpReal(selector, offset)
    }
    guard selector & 0xfffc != 0 else { return raiseProtection() }
    guard let descriptor = descriptor(selector) else { return false }
    guard descriptor.isCodeOrData else { return throughGate(op, selector, descriptor, call: call) }
    let allowed =
      descriptor.isConforming
      ? descriptor.privilegeLevel <= privilegeLevel
      : Int(selector & 3) <= privilegeLevel && descriptor.privilegeLevel == privilegeLevel
    guard descriptor.isCode, allowed else { return raise(ExceptionVector.generalProtection, selector: selector) }
    guard let target = codeTarget(selector, descriptor, offset, level: privilegeLevel) else { return false }
    if call {
      guard pushReturn(op) else { return false }
    }
    commit(target)
    return true
  }

  /// Pushes CS and RIP with the operand size; RSP moves when both are there.
  private func pushReturn(_ op: Op) -> Bool {
    let old = rsp
    let size = op.size
    guard pushWord(UInt64(segmentSelector(SegmentNumber.cs)), size: size) else { return false }
    guard pushWord(rip, size: size) else {
      rsp = old
      return false
    }
    return true
  }

  func pushWord(_ value: UInt64, size: Int) -> Bool {
    switch size {
    case 2: push(UInt16(truncatingIfNeeded: value))
    case 4: push(UInt32(truncatingIfNeeded: value))
    default: push(value)
    }
  }

  private func callReal(_ op: Op, _ selector: UInt16, _ offset: UInt64) -> Bool {
    guard offset <= UInt64(segmentLimit(SegmentNumber.cs)) else { return raiseProtection() }
    return pushReturn(op) && jumpReal(selector, offset)
  }
}

// Call gates (Intel SDM vol. 3, 5.8.3 to 5.8.5).
extension CPU {
  private func throughGate(_ op: Op, _ selector: UInt16, _ found: Descriptor, call: Bool) -> Bool {
    let isKnown = found.type == SystemType.callGate || found.type == SystemType.callGate16 && !isLongMode
    guard isKnown, found.privilegeLevel >= max(privilegeLevel, Int(selector & 3)) else {
      return raise(ExceptionVector.generalProtection, selector: selector)
    }
    guard found.isPresent else { return raise(ExceptionVector.segmentNotPresent, selector: selector) }
    guard let gate = systemDescriptor(selector) else { return false }
    let code = gate.gateSelector
    guard code & 0xfffc != 0 else { return raiseProtection() }
    guard let descriptor = descriptor(code) else { return false }
    let level = descriptor.privilegeLevel
    let allowed =
      call || descriptor.isConforming ? level <= privilegeLevel : level == privilegeLevel
    guard descriptor.isCode, allowed, !isLongMode || descriptor.isLong && !descriptor.isDefault32 else {
      return raise(ExceptionVector.generalProtection, selector: code)
    }
    let changesLevel = call && !descriptor.isConforming && level < privilegeLevel
    let size = isLongMode ? 8 : gate.type & 8 != 0 ? 4 : 2
    let offset = size == 2 ? gate.gateOffset & 0xffff : gate.gateOffset
    guard let target = codeTarget(code, descriptor, offset, level: changesLevel ? level : privilegeLevel) else {
      return false
    }
    guard call else {
      commit(target)
      return true
    }
    return callGate(target, gate, size: size, level: level, changesLevel: changesLevel)
  }

  private func callGate(
    _ target: CodeTarget, _ gate: Descriptor, size: Int, level: Int, changesLevel: Bool
  ) -> Bool {
    guard var frame = gateFrame(level: changesLevel ? level : privilegeLevel, changes: changesLevel) else {
      return false
    }
    if changesLevel {
      guard frame.push(UInt64(segmentSelector(SegmentNumber.ss)), size: size), frame.push(rsp, size: size),
        copyParameters(isLongMode ? 0 : gate.parameterCount, to: &frame, size: size)
      else { return false }
    }
    guard frame.push(UInt64(segmentSelector(SegmentNumber.cs)), size: size), frame.push(rip, size: size) else {
      return false
    }
    if changesLevel { setSegment(SegmentNumber.ss, frame.segment) }
    setStackPointer(frame.pointer, in: frame.segment, long: isLongMode)
    commit(target)
    return true
  }

  private func gateFrame(level: Int, changes: Bool) -> StackFrame? {
    guard isLongMode else { return protectedFrame(level: level, changes: changes) }
    var frame = StackFrame(
      cpu: self, segment: segment(SegmentNumber.ss), isLong: true, level: level, selector: 0, pointer: rsp)
    if changes {
      guard let (segment, pointer) = innerStack(level: level) else { return nil }
      frame = StackFrame(cpu: self, segment: segment, isLong: true, level: level, selector: 0, pointer: pointer)
    }
    return frame
  }

  private func copyParameters(_ count: Int, to frame: inout StackFrame, size: Int) -> Bool {
    for index in (0..<count).reversed() {
      guard let value = topOfStack(size, UInt64(index * size)), frame.push(value, size: size) else { return false }
    }
    return true
  }
}

// Far RET.
extension CPU {
  func executeReturnFar(_ op: Op) -> Bool {
    let size = UInt64(op.size)
    guard let offset = topOfStack(op.size), let popped = topOfStack(op.size, size) else { return false }
    let selector = UInt16(truncatingIfNeeded: popped)
    let release = op.immediate
    guard isProtected, !isVirtual8086 else {
      guard jumpReal(selector, offset) else { return false }
      setStackPointer(rsp &+ 2 * size &+ release)
      return true
    }
    guard let target = returnTarget(selector, offset) else { return false }
    let level = Int(selector & 3)
    guard level > privilegeLevel else {
      setStackPointer(rsp &+ 2 * size &+ release)
      commit(target)
      return true
    }
    guard let pointer = topOfStack(op.size, 2 * size &+ release),
      let stack = topOfStack(op.size, 3 * size &+ release),
      let segment = checkedStack(UInt16(truncatingIfNeeded: stack), level: level, long: target.isLong)
    else { return false }
    setSegment(SegmentNumber.ss, segment)
    setStackPointer(pointer &+ release, in: segment, long: target.isLong)
    commit(target)
    dropPrivilegedSegments(level: level)
    modeChanged()
    return true
  }

  /// The checks of a return to a code segment (RET, IRET): to the same level or an outer one.
  func returnTarget(_ selector: UInt16, _ offset: UInt64) -> CodeTarget? {
    guard selector & 0xfffc != 0 else {
      raiseProtection()
      return nil
    }
    guard let descriptor = descriptor(selector) else { return nil }
    let level = Int(selector & 3)
    guard level >= privilegeLevel, descriptor.isCode,
      descriptor.isConforming ? descriptor.privilegeLevel <= level : descriptor.privilegeLevel == level
    else {
      raise(ExceptionVector.generalProtection, selector: selector)
      return nil
    }
    return codeTarget(selector, descriptor, offset, level: level)
  }
}
