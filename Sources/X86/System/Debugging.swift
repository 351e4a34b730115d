internal import VMMCore

/// Bits of DR6.
enum DebugStatus {
  static var generalDetect: UInt64 { 1 << 13 }
  static var singleStep: UInt64 { 1 << 14 }
  /// B0 … B3.
  static var breakpoints: UInt64 { 15 }
}

/// The shadow that an instruction casts over the next one (`CPUState.interruptShadow`).
enum Shadow {
  /// Of STI: no interrupts.
  static var sti: UInt64 { 1 }
  /// Of MOV SS and POP SS: no interrupts, no debug traps.
  static var stack: UInt64 { 2 }
  /// Behind `stack`, from this bit on: the data breakpoints that the instruction hit, as in DR6.
  static var heldBreakpoints: UInt64 { 4 }
}

/// R/W of a breakpoint in DR7.
private enum BreakpointKind {
  static var execution: UInt64 { 0 }
  static var write: UInt64 { 1 }
  /// With CR4.DE.
  static var port: UInt64 { 2 }
  static var access: UInt64 { 3 }
}

// Debug exceptions (Intel SDM vol. 3, 17.2 and 17.3; AMD APM vol. 2, 13.1).
extension CPU {
  /// Called before each instruction while debug registers are armed or TF or RF is set; false when it raised #DB.
  func beforeInstruction() -> Bool {
    s[SystemSlot.debugStatus] = 0
    s[SystemSlot.noTrap] = 0
    let resumes = s[Slot.systemFlags] & RFlags.rf
    s[SystemSlot.resumeFlag] = resumes
    s[Slot.systemFlags] &= ~RFlags.rf
    if s[Slot.dr + 7] & 0xff != 0, resumes == 0, s[Slot.replyCount] == 0 {
      let hits = instructionBreakpoints()
      if hits != 0 {
        noteDebugStatus(hits)
        return raise(ExceptionVector.debug)
      }
    }
    return true
  }

  /// DR6 tells of each debug exception which breakpoints it was; all else in it stays until software clears it.
  func noteDebugStatus(_ status: UInt64) {
    s[Slot.dr + 6] = s[Slot.dr + 6] & ~DebugStatus.breakpoints | status
  }

  /// The current instruction is going to be started again (an exit, a REP): RF is as it was.
  func restoreResumeFlag() {
    s[Slot.systemFlags] |= s[SystemSlot.resumeFlag]
    s[SystemSlot.resumeFlag] = 0
  }

  /// Called after each instruction (or iteration of a REP instruction) that was stepped; `trap` is TF as it was before
  /// the instruction, `shadow` what the instruction before cast over it.
  func afterInstruction(trap: Bool, shadow: UInt64) {
    var hits = s[SystemSlot.debugStatus] | shadow >> Shadow.heldBreakpoints
    if trap && s[SystemSlot.noTrap] == 0 { hits |= DebugStatus.singleStep }
    s[SystemSlot.debugStatus] = 0
    s[SystemSlot.noTrap] = 0
    // MOV SS and POP SS hold the breakpoints that they hit until the next instruction has been executed; when that ends
    // in a fault, they are lost.
    if s[Slot.interruptShadow] & Shadow.stack != 0 {
      s[Slot.interruptShadow] |= (hits & DebugStatus.breakpoints) << Shadow.heldBreakpoints
      return
    }
    guard hits != 0 else { return }
    raiseDebugTrap(hits)
  }

  func raiseDebugTrap(_ status: UInt64) {
    noteDebugStatus(status)
    pendingEvent = PendingEvent(kind: .exception, vector: ExceptionVector.debug)
  }

  /// A debug trap is due between two iterations of the REP instruction at `op`.
  func noteTrapInside(_ op: Op) {
    // As on AMD's processors: the others leave RF alone.
    switch op.handler {
    case .movs, .stos, .ins, .outs: s[Slot.systemFlags] |= RFlags.rf
    default: break
    }
  }

  /// `Slot.dataBreakpoints` says that this access to some bytes of one page may be one to report. False when the
  /// instruction has to be executed by the stepper instead: nothing has happened yet.
  func mayAccess(_ linear: UInt64, _ count: Int, write: Bool, isPreparing: Bool) -> Bool {
    if s[SystemSlot.hasWatches] != 0 {
      noteWords(linear, count, write: write)
      if isWatched(linear, UInt64(count), write: write) {
        guard s[SystemSlot.runsBlocks] == 0 else {
          s[Slot.exitKind] = ExitKind.step
          return false
        }
        if !isPreparing { noteWatchedAccess(linear, UInt64(count), write: write) }
      }
    }
    if s[Slot.dataBreakpoints] & 1 != 0 && !isPreparing { noteDataAccess(linear, count, write: write) }
    return true
  }

  private func noteDataAccess(_ linear: UInt64, _ count: Int, write: Bool) {
    for number in 0..<4 where isArmed(number) {
      let kind = breakpointKind(number)
      guard kind == BreakpointKind.access || kind == BreakpointKind.write && write else { continue }
      if covers(number, linear, UInt64(count)) { s[SystemSlot.debugStatus] |= 1 << UInt64(number) }
    }
  }

  /// The instruction has accessed ports.
  func notePortAccess(_ port: UInt64, _ count: Int) {
    guard s[Slot.dr + 7] & 0xff != 0, cr4 & CR4.de != 0 else { return }
    for number in 0..<4 where isArmed(number) && breakpointKind(number) == BreakpointKind.port {
      if covers(number, port, UInt64(count)) { s[SystemSlot.debugStatus] |= 1 << UInt64(number) }
    }
  }

  private func breakpointKind(_ number: Int) -> UInt64 { s[Slot.dr + 7] >> UInt64(16 + 4 * number) & 3 }

  /// Some of `count` bytes from `address` on are a breakpoint's.
  private func covers(_ number: Int, _ address: UInt64, _ count: UInt64) -> Bool {
    let length = breakpointLength(number)
    let start = s[Slot.dr + number] & ~(length - 1)
    return address &- start < length || start &- address < count
  }

  /// After every change of DR7 or of the watched memory: chooses which data accesses take the slow path.
  func debugRegistersChanged() {
    var armed: UInt64 = s[SystemSlot.hasWatches] != 0 ? 2 : 0
    for number in 0..<4 where isArmed(number) && breakpointKind(number) & 1 != 0 { armed |= 1 }
    guard armed != s[Slot.dataBreakpoints] else { return }
    s[Slot.dataBreakpoints] = armed
    flushTLB()
  }

  private func instructionBreakpoints() -> UInt64 {
    let linear = codeLinear(rip)
    var hits: UInt64 = 0
    for number in 0..<4 where isArmed(number) && s[Slot.dr + number] == linear {
      if s[Slot.dr + 7] >> UInt64(16 + 4 * number) & 15 == 0 { hits |= 1 << UInt64(number) }
    }
    return hits
  }

  /// Enabled locally or globally.
  private func isArmed(_ number: Int) -> Bool { s[Slot.dr + 7] >> UInt64(2 * number) & 3 != 0 }

  private func breakpointLength(_ number: Int) -> UInt64 {
    switch s[Slot.dr + 7] >> UInt64(18 + 4 * number) & 3 {
    case 0: 1
    case 1: 2
    case 2: 8
    default: 4
    }
  }
}
