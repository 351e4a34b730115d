internal import CKVM
public import VMMCore

// Guest debugging: exact instruction counts and breakpoints (KVM API 4.87).
extension KVMEngine {
  /// Tells KVM what to stop at, when that changes.
  func arm(_ debugging: Debugging) throws(EngineError) {
    if debugging == armed { return }
    prepareRunPage(stepping: debugging == .step)
    let enable = UInt32(KVM_GUESTDBG_ENABLE)
    if debugging == .step {
      try vcpu.setGuestDebug(control: enable | UInt32(KVM_GUESTDBG_SINGLESTEP))
    } else if debugging.addresses.isEmpty, timestampSites.isEmpty || !halts.isEmpty {
      try vcpu.setGuestDebug(control: 0)
    } else {
      let addresses = debugging.addresses + (halts.isEmpty ? timestampSites : [])
      // DR7: G0 to G3 for as many as there are, GE, bit 10 is one; R/W and LEN zero: execution.
      let enabled = addresses.indices.prefix(4).reduce(0) { $0 | UInt64(2) << UInt64(2 * $1) }
      try vcpu.setGuestDebug(
        control: enable | UInt32(KVM_GUESTDBG_USE_HW_BP), addresses: addresses, dr7: enabled | 1 << 9 | 1 << 10)
    }
    armed = debugging
  }

  /// An instruction that faults does not retire: the step ends behind the first instruction of the handler, which is
  /// the one that counts (or, on hosts whose CPU steps by itself, where the handler has returned).
  func runStepping(_ count: UInt64) throws(EngineError) -> VCPUExit {
    steppedInstructions = 0
    if let exit = try settleFirst() { return exit }
    if let exit = try deliverEvent() { return exit }
    while steppedInstructions < count {
      if let exit = try stepWithRepairs() { return exit }
      steppedInstructions += 1
    }
    return .stopped
  }

  func runUntil(_ rip: UInt64) throws(EngineError) -> VCPUExit {
    if let exit = try settleFirst() { return exit }
    if let exit = try deliverEvent() { return exit }
    if try linearRIP() == rip {
      // The breakpoint would meet the instruction that is not to be looked at.
      if let exit = try stepWithRepairs() { return exit }
      if try linearRIP() == rip { return .stopped }
    }
    if !HostTraits.current.breaksUserMode, let walk = PageWalk(rip, try specialRegisters(), in: memory), walk.isUser,
      try !canStepHere()
    {
      return .failed(HostTraits.cannotBreakUserMode)
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
    if try settleBehindRepeat(), queued == nil { return nil }
    let exit = queued
    queued = nil
    return exit
  }

  /// Retires one instruction. An exit when something else came first.
  func stepOnce() throws(EngineError) -> VCPUExit? {
    try arm(.step)
    let before = try registers()
    while true {
      switch try enter() {
      case .exit(let exit): return exit
      case .nothing: continue
      case .debug:
        let after = try registers()
        // The same RIP is a jump to itself, or a REP instruction of which only some iterations are done.
        if after.rip == before.rip, let length = try repeatLength() {
          if let exit = try completeInstruction(length: length) { return exit }
          if try registers().rip == before.rip &+ UInt64(length) { return nil }
          // It faulted: the first instruction of the handler is what retires.
          try arm(.step)
          continue
        }
        if after.rip == before.rip, try hasNotMoved(before, after) { continue }
        if after.rip &- before.rip > 15 { try removeTrapFlag(pushedAt: before) }
        return nil
      }
    }
  }

  /// Runs the instruction at RIP, which does not jump, to its end, or to the handler of its page fault.
  func completeInstruction(length: Int) throws(EngineError) -> VCPUExit? {
    let pageFault = handlerAddress(14, try specialRegisters())
    try arm(.breakpoint(try linearRIP() &+ UInt64(length), or: pageFault))
    return try runToBreakpoint()
  }

  /// Runs to what is armed. An exit when something else came first.
  func runToBreakpoint() throws(EngineError) -> VCPUExit? {
    while true {
      switch try enter() {
      case .exit(let exit): return exit
      case .debug: return nil
      case .nothing: continue
      }
    }
  }

  /// The linear address of the next instruction.
  func linearRIP() throws(EngineError) -> UInt64 { linearRIP(try registers().rip, try specialRegisters()) }
}

// REP instructions.
extension KVMEngine {
  /// The next instruction is a REP string instruction. KVM does not say whether it has begun, and some hosts stop
  /// with all iterations done and RIP still on it: a kick counts as inside when it may be.
  public func isInsideRepeat() throws(EngineError) -> Bool { try repeatLength() != nil }

  /// After `.kicked`: carries a REP instruction to its end, so that the place is an instruction boundary; returns
  /// what came up instead, if anything did. Does nothing in user mode where this host cannot stop there.
  public func finishInstruction() throws(EngineError) -> VCPUExit? {
    guard try settleBehindRepeat(), try canStepHere(), let length = try repeatLength() else { return nil }
    return try completeInstruction(length: length)
  }

  /// The length of the instruction at RIP, if it is a string instruction with a REP prefix.
  private func repeatLength() throws(EngineError) -> Int? {
    let sregs = try specialRegisters()
    return repeatedString(try codeAtRIP(), sregs)?.length
  }

  /// The same, when its counter is 0.
  func finishedRepeatLength(rcx: UInt64) throws(EngineError) -> Int? {
    let sregs = try specialRegisters()
    guard let found = repeatedString(try codeAtRIP(), sregs), rcx & found.counterMask == 0 else { return nil }
    return found.length
  }

  private func repeatedString(_ code: [UInt8], _ sregs: kvm_sregs) -> (length: Int, counterMask: UInt64)? {
    let is64Bit = sregs.efer >> 10 & 1 != 0 && sregs.cs.l != 0
    guard let length = repeatedStringLength(code, is64Bit: is64Bit) else { return nil }
    // The prefix that changes the address size; the last byte is the opcode.
    let isOther = code.prefix(length - 1).contains(0x67)
    if is64Bit { return (length, isOther ? 0xffff_ffff : .max) }
    return (length, (sregs.cs.db != 0) != isOther ? 0xffff_ffff : 0xffff)
  }
}

/// The bytes of the string instruction with a REP prefix that the code begins with (Intel SDM vol. 2, "REP").
package func repeatedStringLength(_ code: [UInt8], is64Bit: Bool) -> Int? {
  let index = opcodeOffset(code, is64Bit: is64Bit)
  let hasRepeat = code.prefix(index).contains { $0 == 0xf2 || $0 == 0xf3 }
  guard hasRepeat, index < code.count else { return nil }
  switch code[index] {
  // INS, OUTS, MOVS, CMPS, STOS, LODS, SCAS.
  case 0x6c...0x6f, 0xa4...0xa7, 0xaa...0xaf: return index + 1
  default: return nil
  }
}
