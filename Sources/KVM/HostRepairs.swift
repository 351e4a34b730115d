internal import CKVM
public import VMMCore

// What only some hosts need. Each repair asks `HostTraits` first, and is nothing but a plain step elsewhere.
extension KVMEngine {
  /// Single steps work at the present privilege level.
  func canStepHere() throws(EngineError) -> Bool {
    if HostTraits.current.stepsUserMode { return true }
    return try specialRegisters().ss.dpl != 3
  }

  /// Retires one instruction. An exit when something else came first, or this host cannot.
  func stepWithRepairs() throws(EngineError) -> VCPUExit? {
    guard try canStepHere() else { return .failed(HostTraits.cannotStepUserMode) }
    if let exit = try timestampExit() { return exit }
    if HostTraits.current.stepsSpecialInstructions { return try stepOnce() }
    let sregs = try specialRegisters()
    guard sregs.efer >> 10 & 1 != 0, sregs.cs.l != 0 else { return try stepOnce() }
    let code = try codeAtRIP()
    if let length = lateStepLength(code) { return try stepOver(length: length) }
    // A HLT that is single-stepped retires without an exit.
    if code.first == 0xf4 {
      try arm(.off)
      return try runToBreakpoint()
    }
    if try entersUserMode(code, sregs) { return .failed(HostTraits.cannotStepUserMode) }
    return code.starts(with: HostRepairs.iretq) ? try stepOverInterruptReturn() : try stepOnce()
  }

  /// The next instruction can be single-stepped on this host.
  public func canStep() throws(EngineError) -> Bool {
    guard try settleBehindRepeat(), try canStepHere() else { return false }
    if HostTraits.current.stepsSpecialInstructions { return true }
    return try !entersUserMode(try codeAtRIP(), try specialRegisters())
  }

  /// SYSRETQ, or IRETQ to CPL 3, in 64-bit code.
  private func entersUserMode(_ code: [UInt8], _ sregs: kvm_sregs) throws(EngineError) -> Bool {
    guard sregs.efer >> 10 & 1 != 0, sregs.cs.l != 0 else { return false }
    if code.starts(with: HostRepairs.sysretq) { return true }
    guard code.starts(with: HostRepairs.iretq) else { return false }
    return load(try registers().rsp &+ 8, sregs).map { $0 & 3 != 0 } ?? false
  }

  /// Runs the instruction at RIP, which does not jump, by a breakpoint behind it.
  private func stepOver(length: Int) throws(EngineError) -> VCPUExit? {
    let next = try registers().rip &+ UInt64(length)
    if let exit = try completeInstruction(length: length) { return exit }
    // It faulted: the first instruction of the handler is what retires.
    return try registers().rip == next ? nil : try stepOnce()
  }

  /// A step ended where it began because this host reports the first step of a vCPU too early, and not because the
  /// instruction jumps to itself.
  func hasNotMoved(_ before: kvm_regs, _ after: kvm_regs) throws(EngineError) -> Bool {
    if HostTraits.firstStepMoves || before.rsp != after.rsp || before.rcx != after.rcx { return false }
    let code = try codeAtRIP().drop { [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3].contains($0) }
    switch code.first ?? 0x90 {
    // Jcc, LOOP and JRCXZ, CALL and JMP, the indirect ones, returns, and Jcc with a long displacement.
    case 0x70...0x7f, 0xe0...0xe3, 0xe8...0xeb, 0xff, 0xc2, 0xc3, 0xca, 0xcb, 0xcf: return false
    case 0x0f: return !(0x80...0x8f).contains(code.dropFirst().first ?? 0)
    default: return true
    }
  }

  /// Runs IRETQ by a breakpoint where it returns to.
  private func stepOverInterruptReturn() throws(EngineError) -> VCPUExit? {
    let sregs = try specialRegisters()
    let stack = try registers().rsp
    guard let rip = load(stack, sregs) else { return try stepOnce() }
    try arm(.breakpoint(rip))
    return try runToBreakpoint()
  }
}

extension KVMEngine {
  public func privilegeLevel() throws(EngineError) -> UInt8 {
    guard try settle() else { throw EngineError("the privilege level was asked for inside an interaction") }
    return try specialRegisters().ss.dpl
  }

  public var stopsInUserMode: Bool { HostFitness.stopsInUserMode }
}

private enum HostRepairs {
  static let iretq: [UInt8] = [0x48, 0xcf]
  static let sysretq: [UInt8] = [0x48, 0x0f, 0x07]
}
