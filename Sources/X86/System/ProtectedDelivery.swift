internal import VMMCore

// Interrupts and exceptions in protected mode and real mode (Intel SDM vol. 3, 6.12 and 20.1.4). Task gates raise #GP:
// there is no task switch in hardware.
extension CPU {
  func interruptProtected(_ i: Interruption) -> Bool {
    guard let gate = protectedGate(i) else { return false }
    let selector = gate.gateSelector
    guard selector & 0xfffc != 0 else { return raise(ExceptionVector.generalProtection, selector: 0) }
    guard let code = descriptor(selector) else { return false }
    let changesLevel = !code.isConforming && code.privilegeLevel < privilegeLevel
    guard code.isCode, code.privilegeLevel <= privilegeLevel,
      !isVirtual8086 || changesLevel && code.privilegeLevel == 0
    else { return raise(ExceptionVector.generalProtection, selector: selector) }
    let level = changesLevel ? code.privilegeLevel : privilegeLevel
    let size = gate.type & 8 != 0 ? 4 : 2
    let offset = gate.gateOffset & (size == 4 ? 0xffff_ffff : 0xffff)
    guard let target = codeTarget(selector, code, offset, level: level),
      var frame = protectedFrame(level: level, changes: changesLevel),
      push(i, on: &frame, size: size, withStack: changesLevel)
    else { return false }
    let leavesVirtual8086 = isVirtual8086
    enterHandler(disablingInterrupts: gate.type & 1 == 0)
    if changesLevel { setSegment(SegmentNumber.ss, frame.segment) }
    setStackPointer(frame.pointer, in: frame.segment, long: false)
    if leavesVirtual8086 { dropSegmentsOfVirtual8086() }
    commit(target)
    return true
  }

  private func protectedGate(_ i: Interruption) -> Descriptor? {
    let code = gateErrorCode(i.vector)
    let offset = UInt64(i.vector) * 8
    guard offset + 7 <= s[Slot.idtr + 1] else {
      raiseProtection(code)
      return nil
    }
    guard let low = loadSystem(UInt64.self, s[Slot.idtr] &+ offset) else { return nil }
    let gate = Descriptor(low: low)
    let isKnown = gate.type & 7 == 6 || gate.type & 7 == 7
    guard !gate.isCodeOrData, isKnown, !i.isSoftware || gate.privilegeLevel >= privilegeLevel else {
      raiseProtection(code)
      return nil
    }
    guard gate.isPresent else {
      raise(ExceptionVector.segmentNotPresent, errorCode: code)
      return nil
    }
    return gate
  }

  /// The stack for the frame: the current one, or that of an inner level.
  func protectedFrame(level: Int, changes: Bool) -> StackFrame? {
    if !changes {
      return StackFrame(
        cpu: self, segment: segment(SegmentNumber.ss), isLong: false, level: level, selector: 0, pointer: rsp)
    }
    guard let (segment, pointer) = innerStack(level: level) else { return nil }
    return StackFrame(
      cpu: self, segment: segment, isLong: false, level: level, selector: segment.selector, pointer: pointer)
  }

  private func push(_ i: Interruption, on frame: inout StackFrame, size: Int, withStack: Bool) -> Bool {
    if isVirtual8086 {
      for number in [SegmentNumber.gs, SegmentNumber.fs, SegmentNumber.ds, SegmentNumber.es] {
        guard frame.push(UInt64(segmentSelector(number)), size: size) else { return false }
      }
    }
    if withStack {
      guard frame.push(UInt64(segmentSelector(SegmentNumber.ss)), size: size), frame.push(rsp, size: size) else {
        return false
      }
    }
    guard frame.push(i.flags, size: size), frame.push(UInt64(segmentSelector(SegmentNumber.cs)), size: size),
      frame.push(rip, size: size)
    else { return false }
    guard let errorCode = i.errorCode else { return true }
    return frame.push(UInt64(errorCode), size: size)
  }

  private func dropSegmentsOfVirtual8086() {
    for number in [SegmentNumber.es, SegmentNumber.ds, SegmentNumber.fs, SegmentNumber.gs] {
      setSegment(number, Segment(selector: 0, base: 0, limit: 0, attributes: unusableSegment))
    }
  }

  func interruptReal(_ i: Interruption) -> Bool {
    let offset = UInt64(i.vector) * 4
    guard offset + 3 <= s[Slot.idtr + 1] else { return raiseProtection(gateErrorCode(i.vector)) }
    guard let vector = loadSystem(UInt32.self, s[Slot.idtr] &+ offset) else { return false }
    var frame = StackFrame(
      cpu: self, segment: segment(SegmentNumber.ss), isLong: false, level: 0, selector: 0, pointer: rsp)
    guard frame.push(i.flags, size: 2), frame.push(UInt64(segmentSelector(SegmentNumber.cs)), size: 2),
      frame.push(rip, size: 2)
    else { return false }
    let pointer = frame.pointer
    guard jumpReal(UInt16(truncatingIfNeeded: vector >> 16), UInt64(vector & 0xffff)) else { return false }
    setStackPointer(pointer, in: frame.segment, long: false)
    enterHandler(disablingInterrupts: true)
    s[Slot.systemFlags] &= ~RFlags.ac
    modeChanged()
    return true
  }
}
