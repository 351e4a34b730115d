internal import CKVM
public import VMMCore

// Guest debugging: exact instruction counts and breakpoints (KVM API 4.87).
extension KVMEngine {
  /// Tells KVM what to stop at, when that changes.
  func arm(_ debugging: Debugging) throws(EngineError) {
    if debugging == armed { return }
    let enable = UInt32(KVM_GUESTDBG_ENABLE)
    switch debugging {
    case .off: try vcpu.setGuestDebug(control: 0)
    case .step: try vcpu.setGuestDebug(control: enable | UInt32(KVM_GUESTDBG_SINGLESTEP))
    case .breakpoint(let address):
      // DR7: G0 and GE, R/W0 and LEN0 zero: execution.
      try vcpu.setGuestDebug(
        control: enable | UInt32(KVM_GUESTDBG_USE_HW_BP), breakpoint: address, dr7: 1 << 1 | 1 << 9 | 1 << 10)
    }
    armed = debugging
  }

  /// A step that ends at the entry of an exception handler does not count: the instruction has not retired, and the
  /// handler's first one has not begun.
  func runStepping(_ count: UInt64) throws(EngineError) -> VCPUExit {
    steppedInstructions = 0
    if let exit = try settleFirst() { return exit }
    while steppedInstructions < count {
      if let exit = try stepOnce() { return exit }
      steppedInstructions += 1
    }
    return .stopped
  }

  func runUntil(_ rip: UInt64) throws(EngineError) -> VCPUExit {
    if let exit = try settleFirst() { return exit }
    if try linearRIP() == rip {
      // The breakpoint would meet the instruction that is not to be looked at.
      if let exit = try stepOnce() { return exit }
      if try linearRIP() == rip { return .stopped }
    }
    try arm(.breakpoint(rip))
    while true {
      switch try enter() {
      case .exit(let exit): return exit
      case .debug: if try linearRIP() == rip { return .stopped }
      case .nothing: continue
      }
    }
  }

  /// Completes the last interaction, so that what follows begins at a boundary. An exit when there is more of it.
  private func settleFirst() throws(EngineError) -> VCPUExit? {
    if try settle(), queued == nil { return nil }
    let exit = queued
    queued = nil
    return exit
  }

  /// Retires one instruction. An exit when something else came first.
  func stepOnce() throws(EngineError) -> VCPUExit? {
    // The emulator of kvm_pvm loses a HLT that is single-stepped: it retires without an exit. Unstepped it exits anywhere.
    try arm(try codeAtRIP().first == 0xf4 ? .off : .step)
    let before = try registers().rip
    while true {
      switch try enter() {
      case .exit(let exit): return exit
      case .nothing: continue
      case .debug:
        // The same RIP is a jump to itself, or a REP instruction of which only some iterations are done.
        if try registers().rip == before, try isInsideRepeat() { continue }
        return nil
      }
    }
  }

  private func linearRIP() throws(EngineError) -> UInt64 { linearRIP(try registers().rip, try vcpu.sregs()) }
}

// REP instructions.
extension KVMEngine {
  /// The next instruction is a REP string instruction with iterations left to do. KVM does not say whether it has begun: a
  /// kick counts as inside when it may be.
  public func isInsideRepeat() throws(EngineError) -> Bool {
    let code = try codeAtRIP()
    let sregs = try vcpu.sregs()
    let is64Bit = sregs.efer >> 10 & 1 != 0 && sregs.cs.l != 0
    guard let repeated = RepeatInstruction(code, is64Bit: is64Bit, isDefault32: sregs.cs.db != 0) else { return false }
    return try registers().rcx & repeated.counterMask != 0
  }

  public func finishRepeat() throws(EngineError) -> VCPUExit? {
    guard try isInsideRepeat() else { return nil }
    return try stepOnce()
  }
}

/// A string instruction with a REP prefix (Intel SDM vol. 2, "REP").
struct RepeatInstruction {
  /// The bits of RCX that count.
  var counterMask: UInt64

  /// `nil` for any other instruction.
  init?(_ code: [UInt8], is64Bit: Bool, isDefault32: Bool) {
    var hasRepeat = false
    var changesAddressSize = false
    var index = 0
    scan: while index < code.count {
      switch code[index] {
      case 0xf2, 0xf3: hasRepeat = true
      case 0x67: changesAddressSize = true
      case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0xf0: break
      default: break scan
      }
      index += 1
    }
    if is64Bit, index < code.count, code[index] & 0xf0 == 0x40 { index += 1 }
    guard hasRepeat, index < code.count else { return nil }
    switch code[index] {
    // INS, OUTS, MOVS, CMPS, STOS, LODS, SCAS.
    case 0x6c...0x6f, 0xa4...0xa7, 0xaa...0xaf: break
    default: return nil
    }
    if is64Bit {
      counterMask = changesAddressSize ? 0xffff_ffff : .max
    } else {
      counterMask = isDefault32 != changesAddressSize ? 0xffff_ffff : 0xffff
    }
  }
}
