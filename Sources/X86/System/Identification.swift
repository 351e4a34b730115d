internal import VMMCore

// CPUID, time stamps, random numbers, FS and GS bases.
extension CPU {
  func executeCPUID() -> Bool {
    let leaf = UInt32(truncatingIfNeeded: rax)
    let found = core.model.lookup(leaf: leaf, subleaf: UInt32(truncatingIfNeeded: rcx))
    rax = UInt64(found.eax)
    rbx = UInt64(found.ebx)
    rcx = UInt64(found.ecx)
    rdx = UInt64(found.edx)
    if leaf == 1 {
      // OSXSAVE mirrors CR4, and an APIC that IA32_APIC_BASE has switched off is not there.
      if cr4 & CR4.osxsave != 0 { rcx |= 1 << 27 }
      if s[Slot.apicBase] & APICBase.enabled == 0 { rdx &= ~(1 << 9) }
    }
    return true
  }

  /// RDTSC and RDTSCP.
  func executeReadTimestamp(withProcessor: Bool) -> Bool {
    if withProcessor {
      guard core.model.has(.rdtscp) else { return raiseUndefined() }
    }
    guard cr4 & CR4.tsd == 0 || privilegeLevel == 0 else { return raiseProtection() }
    guard let value = interact(ExitKind.timestampRead, address: 0) else { return false }
    rax = value & 0xffff_ffff
    rdx = value >> 32
    if withProcessor { rcx = s[Slot.tscAux] & 0xffff_ffff }
    return true
  }

  /// RDRAND and RDSEED, which always succeed.
  func executeRandom(_ op: Op, _ feature: CPUFeature) -> Bool {
    guard core.model.has(feature) else { return raiseUndefined() }
    guard let value = interact(ExitKind.randomRead, address: 0) else { return false }
    setRegister(op.rm, value, size: op.size)
    statusFlags = RFlags.cf
    return true
  }

  func executeReadProcessorID(_ op: Op) -> Bool {
    guard core.model.has(.rdpid) else { return raiseUndefined() }
    setRegister(op.rm, s[Slot.tscAux], size: is64Bit ? 8 : 4)
    return true
  }

  func executeSwapGS() -> Bool {
    guard privilegeLevel == 0 else { return raiseProtection() }
    let base = segmentBase(SegmentNumber.gs)
    s[Slot.segmentBase + SegmentNumber.gs] = s[Slot.kernelGSBase]
    s[Slot.kernelGSBase] = base
    return true
  }

  func executeReadBase(_ op: Op, _ segment: Int) -> Bool {
    guard cr4 & CR4.fsgsbase != 0 else { return raiseUndefined() }
    setRegister(op.rm, segmentBase(segment), size: op.size)
    return true
  }

  func executeWriteBase(_ op: Op, _ segment: Int) -> Bool {
    guard cr4 & CR4.fsgsbase != 0 else { return raiseUndefined() }
    let value = op.size == 8 ? word(op.rm) : word(op.rm) & 0xffff_ffff
    guard isCanonical(value) else { return raiseProtection() }
    s[Slot.segmentBase + segment] = value
    return true
  }
}
