internal import VMMCore

// MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS, alone and with REP.
extension CPU {
  @inline(never)
  func executeString(_ op: Op) -> Bool {
    guard op.isRepeated else { return stringIteration(op) }
    let handler = op.handler
    // No access to the port is a fault even when nothing is to be moved.
    let usesPort = handler == .ins || handler == .outs
    if usesPort && !portAllowed(rdx & 0xffff, min(op.size, 4)) { return false }
    let mask = addressMask(op.addressSize)
    if rcx & mask == 0 && op.addressSize == 4 { repeatNothing(handler) }
    let compares = handler == .cmps || handler == .scas
    let putsFlagsBack = compares && does(.restoresStringFlags)
    if putsFlagsBack && s[Slot.repeatIterations] == 0 { s[Slot.repeatFlags] = statusFlags }
    while rcx & mask != 0 {
      if let end = pauseBeforeIteration() { return end }
      if s[Slot.repeatLimit] == 0, bulkIterations(op) { continue }
      guard stringIteration(op) else {
        keepForStepper(op)
        if putsFlagsBack && s[Slot.faultPending] != 0 { statusFlags = s[Slot.repeatFlags] }
        return false
      }
      setCounter((rcx &- 1) & mask, op.addressSize)
      s[Slot.repeatIterations] &+= 1
      if s[Slot.replyCount] != 0 { clearReplies() }
      if compares && zf != (op.pointee.prefixes & Prefix.rep != 0) { break }
    }
    s[Slot.repeatIterations] = 0
    return true
  }

  /// ECX is 0: some CPUs write it, and the addresses of MOVS and STOS, all the same.
  private func repeatNothing(_ handler: Handler) {
    guard s[Slot.repeatIterations] == 0, does(.repeatOfZeroClearsUpperHalves) else { return }
    rcx &= 0xffff_ffff
    if handler == .movs || handler == .stos { s[GPR.rdi] &= 0xffff_ffff }
    if handler == .movs { s[GPR.rsi] &= 0xffff_ffff }
  }

  /// The stepper is to go on with this REP instruction, whose code may be overwritten by now: it takes it as it was.
  private func keepForStepper(_ op: Op) {
    guard s[Slot.exitKind] == ExitKind.step, s[Slot.repeatIterations] != 0 else { return }
    scratchOp.pointee = op.pointee
  }

  /// Another thread wants the run to end, the iteration to stop at is reached, or the last one accessed what a debugger
  /// or the guest itself watches: the instruction is left as it is. Before the first iteration it has been fetched, and
  /// a kick comes late.
  @inline(__always)
  private func pauseBeforeIteration() -> Bool? {
    let isWatched = s[SystemSlot.stopReason] | s[SystemSlot.debugStatus]
    if s[Slot.kick] | s[Slot.repeatLimit] | isWatched == 0 { return nil }
    let isKicked = s[Slot.kick] != 0 && s[Slot.repeatIterations] != 0
    if isKicked || isWatched != 0 || s[Slot.repeatIterations] >= s[Slot.repeatLimit] {
      s[Slot.exitKind] = ExitKind.pause
      return false
    }
    return nil
  }

  /// One unit; false when it did not happen.
  private func stringIteration(_ op: Op) -> Bool {
    let handler = op.handler
    // Ports have 32 bits at most: REX.W means nothing to INS and OUTS.
    let size = handler == .ins || handler == .outs ? min(op.size, 4) : op.size
    let step = s[Slot.systemFlags] & RFlags.df != 0 ? 0 &- UInt64(size) : UInt64(size)
    switch handler {
    case .movs:
      guard let from = source(op, size), let value = loadWord(from, size), let to = destination(op, size, write: true),
        storeWord(value, to, size)
      else { return false }
      advance(GPR.rsi, step, op)
      advance(GPR.rdi, step, op)
    case .stos:
      guard let to = destination(op, size, write: true), storeWord(rax, to, size) else { return false }
      advance(GPR.rdi, step, op)
    case .lods:
      guard let from = source(op, size), let value = loadWord(from, size) else { return false }
      setRegisterWord(0, value, size)
      advance(GPR.rsi, step, op)
    case .scas:
      guard let to = destination(op, size, write: false), let value = loadWord(to, size) else { return false }
      setCompareFlags(rax, value, size)
      advance(GPR.rdi, step, op)
    case .cmps:
      // As AMD's processors do: ES:RDI is read first.
      guard let to = destination(op, size, write: false), let b = loadWord(to, size),
        let from = source(op, size), let a = loadWord(from, size)
      else { return false }
      setCompareFlags(a, b, size)
      advance(GPR.rsi, step, op)
      advance(GPR.rdi, step, op)
    case .ins: return inputIteration(op, size, step)
    default: return outputIteration(op, size, step)
    }
    return true
  }

  @inline(__always)
  private func source(_ op: Op, _ size: Int) -> UInt64? {
    linear(segment: op.segment, offset: rsi & addressMask(op.addressSize), size: size, write: false)
  }

  @inline(__always)
  private func destination(_ op: Op, _ size: Int, write: Bool) -> UInt64? {
    linear(segment: SegmentNumber.es, offset: rdi & addressMask(op.addressSize), size: size, write: write)
  }

  @inline(__always)
  func advance(_ number: Int, _ step: UInt64, _ op: Op) {
    switch op.addressSize {
    case 8: s[number] &+= step
    case 4: s[number] = (s[number] &+ step) & 0xffff_ffff
    default: s[number] = s[number] & ~0xffff | (s[number] &+ step) & 0xffff
    }
  }

  private func inputIteration(_ op: Op, _ size: Int, _ step: UInt64) -> Bool {
    guard portAllowed(rdx & 0xffff, size), let to = destination(op, size, write: true), prepareStore(to, size),
      let value = interact(ExitKind.portRead, address: rdx & 0xffff, size: UInt64(size)), storeWord(value, to, size)
    else { return false }
    notePortAccess(rdx & 0xffff, size)
    advance(GPR.rdi, step, op)
    return true
  }

  private func outputIteration(_ op: Op, _ size: Int, _ step: UInt64) -> Bool {
    guard portAllowed(rdx & 0xffff, size), let from = source(op, size), let value = loadWord(from, size),
      interact(ExitKind.portWrite, address: rdx & 0xffff, size: UInt64(size), value: value) != nil
    else { return false }
    notePortAccess(rdx & 0xffff, size)
    advance(GPR.rsi, step, op)
    return true
  }
}
