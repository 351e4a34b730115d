internal import VMMCore

/// Numbers of the model-specific registers that the CPU state holds; all others are the machine's.
enum ModelRegister {
  static var apicBase: UInt32 { 0x1b }
  static var sysenterCS: UInt32 { 0x174 }
  static var sysenterESP: UInt32 { 0x175 }
  static var sysenterEIP: UInt32 { 0x176 }
  static var pat: UInt32 { 0x277 }
  static var efer: UInt32 { 0xc000_0080 }
  static var star: UInt32 { 0xc000_0081 }
  static var lstar: UInt32 { 0xc000_0082 }
  static var cstar: UInt32 { 0xc000_0083 }
  static var sfmask: UInt32 { 0xc000_0084 }
  static var fsBase: UInt32 { 0xc000_0100 }
  static var gsBase: UInt32 { 0xc000_0101 }
  static var kernelGSBase: UInt32 { 0xc000_0102 }
  static var tscAux: UInt32 { 0xc000_0103 }
}

// RDMSR and WRMSR.
extension CPU {
  /// The word of the state block that holds a register as it is.
  private func slot(ofRegister index: UInt32) -> Int? {
    switch index {
    case ModelRegister.apicBase: Slot.apicBase
    case ModelRegister.sysenterCS: Slot.sysenterCS
    case ModelRegister.sysenterESP: Slot.sysenterESP
    case ModelRegister.sysenterEIP: Slot.sysenterEIP
    case ModelRegister.pat: Slot.pat
    case ModelRegister.efer: Slot.efer
    case ModelRegister.star: Slot.star
    case ModelRegister.lstar: Slot.lstar
    case ModelRegister.cstar: Slot.cstar
    case ModelRegister.sfmask: Slot.sfmask
    case ModelRegister.fsBase: Slot.segmentBase + SegmentNumber.fs
    case ModelRegister.gsBase: Slot.segmentBase + SegmentNumber.gs
    case ModelRegister.kernelGSBase: Slot.kernelGSBase
    case ModelRegister.tscAux: Slot.tscAux
    default: nil
    }
  }

  func executeReadModelRegister() -> Bool {
    guard privilegeLevel == 0 else { return raiseProtection() }
    let index = UInt32(truncatingIfNeeded: rcx)
    let value: UInt64
    if let slot = slot(ofRegister: index) {
      value = s[slot]
    } else {
      guard let answer = interact(ExitKind.msrRead, address: UInt64(index)) else { return false }
      value = answer
    }
    rax = value & 0xffff_ffff
    rdx = value >> 32
    return true
  }

  func executeWriteModelRegister() -> Bool {
    guard privilegeLevel == 0 else { return raiseProtection() }
    let index = UInt32(truncatingIfNeeded: rcx)
    let value = rax & 0xffff_ffff | rdx << 32
    guard let slot = slot(ofRegister: index) else {
      return interact(ExitKind.msrWrite, address: UInt64(index), value: value) != nil
    }
    if index == ModelRegister.efer { return writeEFER(value) }
    guard isAllowed(value, forRegister: index) else { return raiseProtection() }
    s[slot] = value
    return true
  }

  private func isAllowed(_ value: UInt64, forRegister index: UInt32) -> Bool {
    switch index {
    case ModelRegister.lstar, ModelRegister.cstar, ModelRegister.fsBase, ModelRegister.gsBase,
      ModelRegister.kernelGSBase, ModelRegister.sysenterESP, ModelRegister.sysenterEIP:
      return Int64(bitPattern: value << 16) >> 16 == Int64(bitPattern: value)
    case ModelRegister.pat:
      for shift in stride(from: UInt64(0), to: 64, by: 8) {
        let type = value >> shift & 0xff
        guard type <= 7, type != 2, type != 3 else { return false }
      }
      return true
    case ModelRegister.tscAux: return value >> 32 == 0
    // No x2APIC mode, and no address that the CPU does not have.
    case ModelRegister.apicBase:
      let address = value & ~0xfff
      return value & 0xfff & ~(APICBase.bootProcessor | APICBase.enabled) == 0
        && address & (s[Slot.reservedAddressBits] | 0xfff0_0000_0000_0000) == 0
    default: return true
    }
  }

  private func writeEFER(_ value: UInt64) -> Bool {
    let model = core.model
    var offered = EFER.sce
    if model.has(.longMode) { offered |= EFER.lme | EFER.lma }
    if model.has(.nx) { offered |= EFER.nxe }
    if model.has(.fxsrOpt) { offered |= 1 << 14 }
    guard value & ~offered == 0 else { return raiseProtection() }
    let changed = value ^ efer
    guard changed & EFER.lme == 0 || cr0 & CR0.pg == 0 else { return raiseProtection() }
    efer = value & ~EFER.lma | efer & EFER.lma
    if changed & EFER.nxe != 0 { flushTLB() }
    modeChanged()
    return true
  }
}
