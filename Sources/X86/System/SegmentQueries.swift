// LAR, LSL, VERR, VERW, ARPL: they say by ZF what a selector may be used for.
extension CPU {
  /// LAR and LSL.
  func executeLoadRights(_ op: Op, limit: Bool) -> Bool {
    guard isProtected, !isVirtual8086 else { return raiseUndefined() }
    guard let selector = readSelector(op) else { return false }
    guard case .some(let found) = query(selector) else { return false }
    guard let descriptor = found, isVisible(descriptor, selector, forLimit: limit) else {
      setZero(false)
      return true
    }
    let value = limit ? UInt64(descriptor.limit) : descriptor.low >> 32 & 0x00ff_ff00
    setRegister(op.reg, value, size: op.size)
    setZero(true)
    return true
  }

  /// VERR and VERW.
  func executeVerify(_ op: Op, write: Bool) -> Bool {
    guard isProtected, !isVirtual8086 else { return raiseUndefined() }
    guard let selector = readSelector(op) else { return false }
    guard case .some(let found) = query(selector) else { return false }
    guard let descriptor = found else {
      setZero(false)
      return true
    }
    let isUsable = write ? descriptor.isWritableData : descriptor.isReadable
    let isFree = descriptor.isCode && descriptor.isConforming
    setZero(isUsable && (isFree || reaches(descriptor, selector)))
    return true
  }

  /// ARPL.
  func executeAdjustLevel(_ op: Op) -> Bool {
    guard isProtected, !isVirtual8086 else { return raiseUndefined() }
    let source = register(op.reg, UInt16.self)
    guard let value = readRM(op, UInt16.self) else { return false }
    // What needs no adjustment is not written, and may lie where nothing can be written.
    let isAdjusted = value & 3 < source & 3
    if isAdjusted {
      guard writeRM(op, value & ~3 | source & 3) else { return false }
    }
    setZero(isAdjusted)
    return true
  }

  private func setZero(_ value: Bool) {
    let flags = statusFlags
    statusFlags = value ? flags | RFlags.zf : flags & ~RFlags.zf
  }

  private func reaches(_ descriptor: Descriptor, _ selector: UInt16) -> Bool {
    descriptor.privilegeLevel >= max(privilegeLevel, Int(selector & 3))
  }

  /// The descriptor, or nothing (inner `nil`) when the selector names none; `nil` when memory faulted.
  private func query(_ selector: UInt16) -> Descriptor?? {
    guard selector & 0xfffc != 0, let address = descriptorAddress(selector) else { return .some(nil) }
    guard let low = loadSystem(UInt64.self, address) else { return nil }
    return .some(Descriptor(low: low))
  }

  private func isVisible(_ descriptor: Descriptor, _ selector: UInt16, forLimit: Bool) -> Bool {
    if descriptor.isCode && descriptor.isConforming { return true }
    guard reaches(descriptor, selector) else { return false }
    if descriptor.isCodeOrData { return true }
    switch descriptor.type {
    case SystemType.ldt, SystemType.tss, SystemType.busyTSS: return true
    case SystemType.tss16, SystemType.busyTSS16: return !isLongMode
    case SystemType.callGate: return !forLimit
    case SystemType.callGate16, SystemType.taskGate: return !forLimit && !isLongMode
    default: return false
    }
  }
}
