internal import VMMCore

// MOV CR, SMSW, LMSW, CLTS, XGETBV, XSETBV, INVLPG, INVPCID (Intel SDM vol. 3, 2.5).
extension CPU {
  func executeMoveFromControl(_ op: Op) -> Bool {
    guard let number = controlRegister(op) else { return raiseUndefined() }
    guard privilegeLevel == 0 else { return raiseProtection() }
    let value: UInt64
    switch number {
    case 0: value = cr0
    case 2: value = cr2
    case 3: value = cr3
    case 4: value = cr4
    default: value = s[Slot.cr8]
    }
    setRegister(op.rm, value, size: is64Bit ? 8 : 4)
    return true
  }

  func executeMoveToControl(_ op: Op) -> Bool {
    guard let number = controlRegister(op) else { return raiseUndefined() }
    guard privilegeLevel == 0 else { return raiseProtection() }
    let value = is64Bit ? word(op.rm) : word(op.rm) & 0xffff_ffff
    switch number {
    case 0: return writeCR0(value)
    case 2: cr2 = value
    case 3: return writeCR3(value)
    case 4: return writeCR4(value)
    default:
      guard value <= 15 else { return raiseProtection() }
      // An interrupt that the old priority held back may be due.
      if value < s[Slot.cr8] && s[SystemSlot.stopsAtLowerPriority] != 0 { core.kick() }
      s[Slot.cr8] = value
    }
    return true
  }

  /// CR8 exists in 64-bit code, and on AMD's processors as LOCK MOV CR0, which is not offered.
  private func controlRegister(_ op: Op) -> Int? {
    let number = op.regNumber
    return number == 0 || number >= 2 && number <= 4 || number == 8 ? number : nil
  }

  func writeCR0(_ value: UInt64) -> Bool {
    guard value >> 32 == 0, value & CR0.pg == 0 || value & CR0.pe != 0, value & CR0.nw == 0 || value & CR0.cd != 0
    else { return raiseProtection() }
    let known =
      CR0.pe | CR0.mp | CR0.em | CR0.ts | CR0.ne | CR0.wp | CR0.am | CR0.nw | CR0.cd | CR0.pg
    let new = value & known | CR0.et
    let changed = new ^ cr0
    if changed & CR0.pg != 0 {
      guard changePaging(on: new & CR0.pg != 0) else { return false }
    }
    cr0 = new
    if changed & (CR0.pg | CR0.wp | CR0.pe) != 0 { flushTLB() }
    modeChanged()
    return true
  }

  /// Turns long mode on and off with paging.
  private func changePaging(on: Bool) -> Bool {
    if on {
      guard efer & EFER.lme != 0 else { return true }
      // Neither without PAE, nor in a code segment that would turn 64-bit, nor with a 16-bit task-state segment.
      let isLongCode = segmentAttributes(SegmentNumber.cs) & 1 << 13 != 0
      guard cr4 & CR4.pae != 0, !isLongCode, s[Slot.tr + 3] & 8 != 0 else { return raiseProtection() }
      efer |= EFER.lma
    } else {
      guard !is64Bit, cr4 & CR4.pcide == 0 else { return raiseProtection() }
      efer &= ~EFER.lma
    }
    return true
  }

  func writeCR3(_ value: UInt64) -> Bool {
    var new = value
    if isLongMode {
      if cr4 & CR4.pcide != 0 { new &= ~(1 << 63) }
      guard new & (s[Slot.reservedAddressBits] | 0xfff0_0000_0000_0000) == 0 else { return raiseProtection() }
    }
    let old = cr3
    cr3 = new
    flushTLB(leaving: old)
    return true
  }

  func writeCR4(_ value: UInt64) -> Bool {
    guard value & ~offeredCR4 == 0 else { return raiseProtection() }
    let changed = value ^ cr4
    if isLongMode {
      guard value & CR4.pae != 0 else { return raiseProtection() }
    }
    if changed & value & CR4.pcide != 0 {
      guard isLongMode, cr3 & 0xfff == 0 else { return raiseProtection() }
    }
    cr4 = value
    if changed & (CR4.pse | CR4.pae | CR4.pge | CR4.smep | CR4.smap | CR4.pcide) != 0 { flushTLB() }
    modeChanged()
    return true
  }

  private var offeredCR4: UInt64 {
    let model = core.model
    var bits = CR4.tsd | CR4.de | CR4.pse | CR4.pae | CR4.mce | CR4.pge | CR4.pce | CR4.osfxsr | CR4.osxmmexcpt
    let features: [(CPUFeature, UInt64)] = [
      (.umip, CR4.umip), (.fsgsbase, CR4.fsgsbase), (.pcid, CR4.pcide), (.xsave, CR4.osxsave), (.smep, CR4.smep),
      (.smap, CR4.smap),
    ]
    for (feature, bit) in features where model.has(feature) { bits |= bit }
    return bits
  }

  func executeStoreMachineStatus(_ op: Op) -> Bool {
    guard !isHidden else { return raiseProtection() }
    if op.isMemory { return writeRM(op, UInt16(truncatingIfNeeded: cr0)) }
    setRegister(op.rm, cr0, size: op.size)
    return true
  }

  /// Changes the low four bits of CR0; PE can be set only.
  func executeLoadMachineStatus(_ op: Op) -> Bool {
    guard privilegeLevel == 0 else { return raiseProtection() }
    guard let value = readSelector(op) else { return false }
    return writeCR0(cr0 & ~(CR0.mp | CR0.em | CR0.ts) | UInt64(value) & 15)
  }

  func executeClearTaskSwitched() -> Bool {
    guard privilegeLevel == 0 else { return raiseProtection() }
    cr0 &= ~CR0.ts
    return true
  }

  /// Types 0 (an address) and 1 (a context) name a context, which is 0 without CR4.PCIDE.
  private func isInvalidation(_ type: UInt64, context: UInt64, linear: UInt64) -> Bool {
    guard context >> 12 == 0, type != 0 || isCanonical(linear) else { return false }
    return type > 1 || context == 0 || cr4 & CR4.pcide != 0
  }

  /// User-mode instruction prevention: SGDT, SIDT, SLDT, STR, SMSW fault outside CPL 0.
  var isHidden: Bool { cr4 & CR4.umip != 0 && privilegeLevel > 0 }

  func executeGetExtendedControl() -> Bool {
    guard cr4 & CR4.osxsave != 0 else { return raiseUndefined() }
    guard rcx & 0xffff_ffff == 0 else { return raiseProtection() }
    rax = s[Slot.xcr0] & 0xffff_ffff
    rdx = s[Slot.xcr0] >> 32
    return true
  }

  func executeSetExtendedControl() -> Bool {
    guard cr4 & CR4.osxsave != 0 else { return raiseUndefined() }
    let value = rax & 0xffff_ffff | rdx << 32
    let leaf = core.model.lookup(leaf: 13, subleaf: 0)
    let offered = UInt64(leaf.eax) | UInt64(leaf.edx) << 32
    guard privilegeLevel == 0, rcx & 0xffff_ffff == 0, value & 1 != 0, value & ~offered == 0 else {
      return raiseProtection()
    }
    s[Slot.xcr0] = value
    return true
  }

  func executeInvalidatePage(_ op: Op) -> Bool {
    guard privilegeLevel == 0 else { return raiseProtection() }
    let linear = effectiveOffset(op) &+ word(op.segmentSlot)
    flushTLB(page: is64Bit ? linear : linear & 0xffff_ffff)
    return true
  }

  /// INVPCID (Intel SDM vol. 2). All contexts are one, so every kind drops everything.
  func executeInvalidateContext(_ op: Op) -> Bool {
    guard core.model.has(.invpcid) else { return raiseUndefined() }
    let type = is64Bit ? word(op.reg) : word(op.reg) & 0xffff_ffff
    guard privilegeLevel == 0, type <= 3 else { return raiseProtection() }
    guard let at = address(op, 16), let descriptor = load128(at) else { return false }
    guard isInvalidation(type, context: descriptor.low, linear: descriptor.high) else { return raiseProtection() }
    flushTLB()
    return true
  }
}
