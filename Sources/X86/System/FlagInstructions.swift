internal import VMMCore

// HLT, CLI, STI, PUSHF, POPF.
extension CPU {
  private var inputOutputLevel: Int { Int(truncatingIfNeeded: s[Slot.systemFlags] >> 12 & 3) }
  /// Virtual-8086 mode without the right to change IF.
  private var isConfined: Bool { isProtected && isVirtual8086 && inputOutputLevel < 3 }

  func executeHalt() -> Bool {
    guard privilegeLevel == 0 else { return raiseProtection() }
    s[Slot.halted] = 1
    return true
  }

  func executeClearInterrupt() -> Bool {
    guard !isProtected || privilegeLevel <= inputOutputLevel else { return raiseProtection() }
    s[Slot.systemFlags] &= ~RFlags.interrupt
    return true
  }

  func executeSetInterrupt() -> Bool {
    guard !isProtected || privilegeLevel <= inputOutputLevel else { return raiseProtection() }
    guard s[Slot.systemFlags] & RFlags.interrupt == 0 else { return true }
    s[Slot.systemFlags] |= RFlags.interrupt
    s[Slot.interruptShadow] |= 1
    return true
  }

  func executePushFlags(_ op: Op) -> Bool {
    guard !isConfined else { return raiseProtection() }
    return pushWord(rflags & ~(RFlags.vm | RFlags.rf), size: op.size)
  }

  func executePopFlags(_ op: Op) -> Bool {
    guard !isConfined else { return raiseProtection() }
    guard let image = topOfStack(op.size) else { return false }
    setStackPointer(rsp &+ UInt64(op.size))
    let old = s[Slot.systemFlags]
    let level = isProtected ? privilegeLevel : 0
    // RF is cleared; VIF and VIP stay, unlike with IRET.
    let virtual = RFlags.vif | RFlags.vip
    restoreFlags(image & ~(RFlags.rf | virtual) | old & virtual, size: op.size, level: level)
    let changed = old ^ s[Slot.systemFlags]
    if changed & RFlags.ac != 0 { modeChanged() }
    return true
  }

  /// CLAC and STAC.
  func executeAccessFlag(set: Bool) -> Bool {
    guard core.model.has(.smap), privilegeLevel == 0 else { return raiseUndefined() }
    if set {
      s[Slot.systemFlags] |= RFlags.ac
    } else {
      s[Slot.systemFlags] &= ~RFlags.ac
    }
    modeChanged()
    return true
  }
}
