public import VMMCore

// For a partner that lets the host's CPU run stretches of user mode.
extension SoftwareEngine {
  /// The next instructions are 64-bit user-mode code with interrupts on, of which a host CPU makes the same: nothing
  /// is about to be delivered, no debugger looks, no trap flag, breakpoint, I/O privilege or alignment check is on,
  /// and the x87 unit is there.
  public var isFitForHost: Bool {
    let mode = Mode.code64 | Mode.user | Mode.paging | Mode.protected
    let mask = Mode.codeSizeMask | Mode.user | Mode.paging | Mode.protected
    let flags = cpu.rflags
    return isSettled && queued == nil && cpu[Slot.mode] & mask == mode
      && flags & (RFlags.tf | RFlags.ac | RFlags.iopl | RFlags.vm) == 0
      && flags & RFlags.interrupt != 0
      && cpu[Slot.cr0] & (CR0.em | CR0.ts) == 0 && cpu[Slot.dr + 7] & 0xff == 0
      && cpu[Slot.eventKind] | cpu[Slot.interruptShadow] | cpu[Slot.nmiPending] | cpu[Slot.halted] == 0
      && cpu[SystemSlot.hasBreakpoints] | cpu[SystemSlot.hasWatches] == 0
  }

  /// Grows whenever CPL changes.
  public var levelChanges: UInt64 { cpu[SystemSlot.levelChanges] }

  /// Takes back the interaction that `run` returned, the first of its instruction, which then has not happened.
  public func withdrawInteraction() { forgetInteraction() }

  /// Takes over what user mode can change: the general registers, RIP, RFLAGS, the bases of FS and GS, x87 and SSE. The
  /// memory is the caller's business (`memoryChanged`).
  public func takeUserState(_ state: CPUState) {
    cpu.takeUserState(state)
  }
}
