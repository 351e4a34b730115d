internal import CKVM
public import VMMCore

// The state, and what comes in from outside.
extension KVMEngine {
  public func state() throws(EngineError) -> CPUState {
    guard try settleBehindRepeat() else { throw EngineError("the state was asked for inside an interaction") }
    var state = try vcpu.readState(halted: halted)
    // KVM takes over what was set since the last exit when it is entered next.
    state.cr8 = UInt64(taskPriority)
    return state
  }

  public var taskPriority: UInt8 { UInt8(truncatingIfNeeded: unsafe ckvm_cr8(vcpu.run) & 15) }
  public func setTaskPriority(_ priority: UInt8) { unsafe ckvm_set_cr8(vcpu.run, UInt64(priority & 15)) }
  public var apicBase: UInt64 { unsafe ckvm_apic_base(vcpu.run) }

  public func setState(_ state: CPUState) throws(EngineError) {
    // What is pending cannot be taken back: completing it would write registers or memory.
    if try !settle() { try prepareToRestore() }
    // Stepping lives in RFLAGS.TF, which the new flags must not inherit.
    try arm(.off)
    try vcpu.writeState(HostTraits.wantsAvailableTask ? state.withAvailableTask : state)
    forgetPending()
    halted = state.halted
    hasEvent = state.pendingEvent != nil || state.nmiPending
  }

  public func isInterruptible() throws(EngineError) -> Bool {
    guard try settle() else { return false }
    if flagsAreStale { _ = try enterToComplete() }
    return unsafe ckvm_ready_for_interrupt(vcpu.run) != 0
  }

  public func inject(interrupt vector: UInt8) throws(EngineError) {
    guard try settleBehindRepeat(), try isInterruptible() else {
      throw EngineError("interrupt \(hex(vector)) injected where the guest does not accept one")
    }
    try vcpu.interrupt(vector)
    halted = false
    flagsAreStale = true
    hasEvent = true
  }

  public func injectNMI() throws(EngineError) {
    guard try settleBehindRepeat() else { throw EngineError("an NMI was injected inside an interaction") }
    try vcpu.nmi()
    halted = false
    flagsAreStale = true
    hasEvent = true
  }

  /// `settle`; and where KVM's emulator has done the last unit of a REP instruction, moves on to the next instruction.
  /// KVM leaves RIP there, with RCX 0 and RF set, and would only move on when it enters the guest next (Intel SDM
  /// vol. 2, "REP"; vol. 3, 18.3.1.1).
  func settleBehindRepeat() throws(EngineError) -> Bool {
    guard try settle() else { return false }
    var registers = try registers()
    guard registers.rflags & 1 << 16 != 0, registers.rflags & 1 << 8 == 0, !leavesFinishedRepeats, !hasEvent,
      let length = try finishedRepeatLength(rcx: registers.rcx)
    else { return true }
    registers.rip &+= UInt64(length)
    registers.rflags &= ~(1 << 16)
    try vcpu.setRegs(registers)
    registersAreSynced = false
    return true
  }

  /// The general registers, RIP and RFLAGS, as of the last exit.
  func registers() throws(EngineError) -> kvm_regs {
    registersAreSynced ? unsafe ckvm_synced_regs(vcpu.run).pointee : try vcpu.regs()
  }

  /// Segments, tables and control registers, as of the last exit.
  func specialRegisters() throws(EngineError) -> kvm_sregs {
    specialAreSynced ? unsafe ckvm_synced_sregs(vcpu.run).pointee : try vcpu.sregs()
  }
}
