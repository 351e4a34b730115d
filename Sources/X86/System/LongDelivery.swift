internal import VMMCore

// Interrupts and exceptions in long mode (Intel SDM vol. 3, 6.14).
extension CPU {
  func interruptLong(_ i: Interruption) -> Bool {
    guard let gate = longGate(i) else { return false }
    let selector = gate.gateSelector
    guard selector & 0xfffc != 0 else { return raise(ExceptionVector.generalProtection, selector: 0) }
    guard let code = descriptor(selector) else { return false }
    guard code.isCode, code.isLong, !code.isDefault32, code.privilegeLevel <= privilegeLevel else {
      return raise(ExceptionVector.generalProtection, selector: selector)
    }
    let level = code.isConforming ? privilegeLevel : code.privilegeLevel
    guard let target = codeTarget(selector, code, gate.gateOffset, level: level),
      let stack = longStack(gate, level: level)
    else { return false }
    var frame = stack
    let values = [
      UInt64(segmentSelector(SegmentNumber.ss)), rsp, i.flags, UInt64(segmentSelector(SegmentNumber.cs)), rip,
    ]
    for value in values {
      guard frame.push(value, size: 8) else { return false }
    }
    if let errorCode = i.errorCode {
      guard frame.push(UInt64(errorCode), size: 8) else { return false }
    }
    if level < privilegeLevel { setSegment(SegmentNumber.ss, frame.segment) }
    rsp = frame.pointer
    enterHandler(disablingInterrupts: gate.type == SystemType.interruptGate)
    commit(target)
    return true
  }

  private func longGate(_ i: Interruption) -> Descriptor? {
    let code = gateErrorCode(i.vector)
    let offset = UInt64(i.vector) * 16
    guard offset + 15 <= s[Slot.idtr + 1] else {
      raiseProtection(code)
      return nil
    }
    let address = s[Slot.idtr] &+ offset
    guard let low = loadSystem(UInt64.self, address), let high = loadSystem(UInt64.self, address &+ 8) else {
      return nil
    }
    let gate = Descriptor(low: low, high: high & 0xffff_ffff)
    guard !gate.isCodeOrData, gate.type == SystemType.interruptGate || gate.type == SystemType.trapGate,
      !i.isSoftware || gate.privilegeLevel >= privilegeLevel
    else {
      raiseProtection(code)
      return nil
    }
    guard gate.isPresent else {
      raise(ExceptionVector.segmentNotPresent, errorCode: code)
      return nil
    }
    return gate
  }

  private func longStack(_ gate: Descriptor, level: Int) -> StackFrame? {
    var pointer = rsp
    var segment = segment(SegmentNumber.ss)
    if level < privilegeLevel { segment = nullStack(UInt16(level), level: level) }
    if gate.stackTableIndex != 0 {
      guard let top = stateSegmentWord(28 + 8 * gate.stackTableIndex, size: 8) else { return nil }
      pointer = top
    } else if level < privilegeLevel {
      guard let stack = innerStack(level: level) else { return nil }
      pointer = stack.pointer
    }
    return StackFrame(
      cpu: self, segment: segment, isLong: true, level: level, selector: 0, pointer: pointer & ~15)
  }
}
