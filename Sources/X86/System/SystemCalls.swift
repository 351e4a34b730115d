internal import VMMCore

/// Attributes of the flat segments that SYSCALL and its relatives load without looking at a descriptor; DPL is 0.
private enum FlatAttributes {
  static var code64: UInt32 { 0xa09b }
  static var code32: UInt32 { 0xc09b }
  static var data: UInt32 { 0xc093 }
  static var user: UInt32 { 3 << 5 }
}

// SYSCALL, SYSRET (AMD APM vol. 3), SYSENTER, SYSEXIT.
extension CPU {
  func executeSyscall(_ op: Op) -> Bool {
    guard efer & EFER.sce != 0, isProtected else { return raiseUndefined() }
    let selector = UInt16(truncatingIfNeeded: s[Slot.star] >> 32) & 0xfffc
    if isLongMode {
      let target = is64Bit ? s[Slot.lstar] : s[Slot.cstar]
      rcx = rip
      setGPR(11, rflags & ~RFlags.rf)
      rip = target
      s[Slot.systemFlags] = s[Slot.systemFlags] & ~(s[Slot.sfmask] | RFlags.rf) | 2
      statusFlags = statusFlags & ~s[Slot.sfmask]
    } else {
      rcx = rip & 0xffff_ffff
      rip = s[Slot.star] & 0xffff_ffff
      s[Slot.systemFlags] &= ~(RFlags.vm | RFlags.interrupt | RFlags.rf)
    }
    // A trap only when TF survived the mask.
    if s[Slot.systemFlags] & RFlags.tf == 0 { s[SystemSlot.noTrap] = 1 }
    setFlat(SegmentNumber.cs, selector, isLongMode ? FlatAttributes.code64 : FlatAttributes.code32)
    setFlat(SegmentNumber.ss, selector &+ 8, FlatAttributes.data)
    finishFlat()
    return true
  }

  func executeSysret(_ op: Op) -> Bool {
    guard efer & EFER.sce != 0 else { return raiseUndefined() }
    guard isProtected, privilegeLevel == 0 else { return raiseProtection() }
    let selector = UInt16(truncatingIfNeeded: s[Slot.star] >> 48)
    let to64 = op.size == 8
    rip = to64 ? rcx : rcx & 0xffff_ffff
    if isLongMode {
      // CF … IOPL, NT, AC, ID, VIF, VIP from R11; RF and VM cleared.
      rflags = gpr(11) & 0x3c_7fd5 | 2
    } else {
      s[Slot.systemFlags] |= RFlags.interrupt
    }
    let code = (to64 ? selector &+ 16 : selector) | 3
    setFlat(SegmentNumber.cs, code, FlatAttributes.user | (to64 ? FlatAttributes.code64 : FlatAttributes.code32))
    setFlat(SegmentNumber.ss, (selector &+ 8) | 3, FlatAttributes.user | FlatAttributes.data)
    finishFlat()
    // Whether it traps is up to TF as it is now: as if the SYSCALL had just ended.
    s[SystemSlot.noTrap] = 1
    if s[Slot.systemFlags] & RFlags.tf != 0 { raiseDebugTrap(DebugStatus.singleStep) }
    return true
  }

  /// As on AMD's processors, both exist outside long mode only.
  func executeSysenter(_ op: Op) -> Bool {
    guard !isLongMode else { return raiseUndefined() }
    let selector = UInt16(truncatingIfNeeded: s[Slot.sysenterCS])
    guard isProtected, selector & 0xfffc != 0 else { return raiseProtection() }
    s[Slot.systemFlags] &= ~(RFlags.vm | RFlags.interrupt | RFlags.rf)
    setFlat(SegmentNumber.cs, selector & 0xfffc, FlatAttributes.code32)
    setFlat(SegmentNumber.ss, (selector & 0xfffc) &+ 8, FlatAttributes.data)
    rip = s[Slot.sysenterEIP] & 0xffff_ffff
    rsp = s[Slot.sysenterESP] & 0xffff_ffff
    finishFlat()
    return true
  }

  func executeSysexit(_ op: Op) -> Bool {
    if isLongMode { return privilegeLevel == 0 ? raiseUndefined() : raiseProtection() }
    let selector = UInt16(truncatingIfNeeded: s[Slot.sysenterCS])
    guard isProtected, privilegeLevel == 0, selector & 0xfffc != 0 else { return raiseProtection() }
    setFlat(SegmentNumber.cs, (selector &+ 16) | 3, FlatAttributes.user | FlatAttributes.code32)
    setFlat(SegmentNumber.ss, (selector &+ 24) | 3, FlatAttributes.user | FlatAttributes.data)
    rip = rdx & 0xffff_ffff
    rsp = rcx & 0xffff_ffff
    finishFlat()
    return true
  }

  private func setFlat(_ number: Int, _ selector: UInt16, _ attributes: UInt32) {
    setSegment(number, Segment(selector: selector, base: 0, limit: .max, attributes: attributes))
  }

  private func finishFlat() {
    modeChanged()
  }
}
