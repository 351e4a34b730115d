internal import VMMCore

/// Bits of DR6.
enum DebugStatus {
  static var generalDetect: UInt64 { 1 << 13 }
  static var singleStep: UInt64 { 1 << 14 }
}

// Debug exceptions (Intel SDM vol. 3, 17.2 and 17.3).
extension CPU {
  /// Called before each instruction while debug registers are armed or TF or RF is set; false when it raised #DB.
  func beforeInstruction() -> Bool {
    s[SystemSlot.debugStatus] = 0
    s[SystemSlot.noTrap] = 0
    let resumes = s[Slot.systemFlags] & RFlags.rf
    s[SystemSlot.resumeFlag] = resumes
    s[Slot.systemFlags] &= ~RFlags.rf
    if s[Slot.dr + 7] & 0xff != 0, resumes == 0, s[Slot.interruptShadow] & 2 == 0, s[Slot.replyCount] == 0 {
      let hits = instructionBreakpoints()
      if hits != 0 {
        s[Slot.dr + 6] |= hits
        return raise(ExceptionVector.debug)
      }
    }
    return true
  }

  /// The current instruction is going to be started again (an exit, a REP): RF is as it was.
  func restoreResumeFlag() {
    s[Slot.systemFlags] |= s[SystemSlot.resumeFlag]
    s[SystemSlot.resumeFlag] = 0
  }

  /// Called after each instruction that was stepped; `trap` is TF as it was before the instruction.
  func afterInstruction(trap: Bool) {
    var hits = s[SystemSlot.debugStatus]
    if trap && s[SystemSlot.noTrap] == 0 { hits |= DebugStatus.singleStep }
    s[SystemSlot.debugStatus] = 0
    s[SystemSlot.noTrap] = 0
    // MOV SS and POP SS hold debug exceptions off; what they hit is lost.
    guard hits != 0, s[Slot.interruptShadow] & 2 == 0 else { return }
    s[Slot.dr + 6] |= hits
    pendingEvent = PendingEvent(kind: .exception, vector: ExceptionVector.debug)
  }

  /// `Slot.dataBreakpoints` says that this access to some bytes of one page may be one to report. False when the
  /// instruction has to be executed by the stepper instead: nothing has happened yet.
  func mayAccess(_ linear: UInt64, _ count: Int, write: Bool) -> Bool {
    if s[SystemSlot.hasWatches] != 0, isWatched(linear, UInt64(count), write: write) {
      guard s[SystemSlot.runsBlocks] == 0 else {
        s[Slot.exitKind] = ExitKind.step
        return false
      }
      noteWatchedAccess(linear, UInt64(count), write: write)
    }
    if s[Slot.dataBreakpoints] & 1 != 0 { noteDataAccess(linear, count, write: write) }
    return true
  }

  private func noteDataAccess(_ linear: UInt64, _ count: Int, write: Bool) {
    for number in 0..<4 where isArmed(number) {
      let kind = s[Slot.dr + 7] >> UInt64(16 + 4 * number) & 3
      guard kind == 3 || kind == 1 && write else { continue }
      let length = breakpointLength(number)
      let start = s[Slot.dr + number] & ~(length - 1)
      if linear &- start < length || start &- linear < UInt64(count) {
        s[SystemSlot.debugStatus] |= 1 << UInt64(number)
      }
    }
  }

  /// After every change of DR7 or of the watched memory: chooses which data accesses take the slow path.
  func debugRegistersChanged() {
    var armed: UInt64 = s[SystemSlot.hasWatches] != 0 ? 2 : 0
    for number in 0..<4 where isArmed(number) && s[Slot.dr + 7] >> UInt64(16 + 4 * number) & 1 != 0 { armed |= 1 }
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
