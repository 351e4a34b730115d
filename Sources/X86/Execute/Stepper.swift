internal import VMMCore

/// Why `CPU.run` came back.
enum RunEnd: Equatable {
  /// `retired` has reached the limit.
  case limit
  /// The next instruction is the one at `stopAddress`.
  case stopAddress
  /// An instruction asks for an interaction: `requestedExit`, `answer`.
  case exit
  /// HLT retired, or the CPU was halted already.
  case halted
  /// `kick`; the next instruction may be a REP instruction between two iterations (`Slot.repeatIterations`).
  case kicked
  /// An external interrupt, which somebody waits to deliver, would be accepted before the next instruction.
  case interruptible
  /// The REP instruction under way has done `Slot.repeatLimit` iterations.
  case iterations
  /// A triple fault.
  case shutdown
}

/// How the delivery of an event ended.
enum DeliveryEnd: Equatable {
  case delivered
  /// The delivery touches device memory: `requestedExit`. Nothing has changed; it is delivered again later.
  case exit
  /// A triple fault.
  case shutdown
}

extension CPU {
  var scratchOp: UnsafeMutablePointer<Instruction> {
    UnsafeMutablePointer(bitPattern: UInt(s[Slot.scratchOp])).unsafelyUnwrapped
  }

  /// Something must be done before, or looked at after, each single instruction.
  @inline(__always) var needsStepping: Bool {
    s[Slot.interruptShadow] | s[Slot.replyCount] | s[Slot.systemFlags] & (RFlags.tf | RFlags.rf)
      | s[Slot.dr + 7] & 0xff | s[Slot.nmiPending] | s[SystemSlot.mustStep]
      | s[SystemSlot.awaitedFlag] & s[Slot.systemFlags] != 0
  }

  /// Runs until `retired` is `limit`, or something else comes first.
  func run(until limit: UInt64) -> RunEnd {
    setLimit(retired)
    let code = core.code
    code.begin(self)
    var hasMoved = false
    var deliveries = 0
    while true {
      let delivers = isEventDue
      if let end = settleEvents() { return end }
      deliveries = delivers ? deliveries + 1 : 0
      if s[Slot.kick] != 0, s[SystemSlot.hasFetched] == 0, mayTakeKick(deliveries) {
        _ = takeKick()
        return .kicked
      }
      if hasMoved, acceptsAwaitedInterrupt, mayTakeKick(deliveries) { return .interruptible }
      if s[SystemSlot.stopReason] != 0 { return .stopAddress }
      noteCodeHere()
      if isAtStop {
        if hasMoved || delivers { return .stopAddress }
        if let end = stepTowards(limit, whileNeeded: true) { return end }
      } else if let end = runBetweenEvents(limit, code) {
        return end
      }
      hasMoved = true
    }
  }

  /// A kick ends a run only where an instruction limit would: not between an exception and its handler's first
  /// instruction, unless nothing retires any more.
  private func mayTakeKick(_ deliveries: Int) -> Bool { deliveries == 0 || deliveries > 100 }

  /// The next boundary is one where an external interrupt that somebody waits to deliver would be accepted.
  @inline(__always) private var acceptsAwaitedInterrupt: Bool {
    s[SystemSlot.awaitedFlag] & s[Slot.systemFlags] != 0 && isInterruptible
  }

  /// An event is delivered before the next instruction: the pending one, or an NMI that was held off.
  var isEventDue: Bool {
    if s[Slot.eventKind] != 0 { return true }
    guard s[Slot.nmiPending] != 0, s[Slot.nmiMasked] == 0, s[Slot.interruptShadow] & Shadow.stack == 0 else {
      return false
    }
    s[Slot.nmiPending] = 0
    pendingEvent = PendingEvent(kind: .nmi, vector: ExceptionVector.nmi)
    return true
  }

  /// Runs until a fault is pending, without delivering it: for tests.
  func runToEvent(limit: UInt64) -> RunEnd? {
    setLimit(retired)
    let code = core.code
    code.begin(self)
    while pendingEvent == nil {
      if let end = runBetweenEvents(limit, code) { return end }
    }
    return nil
  }

  /// Some blocks, or one instruction; `nil` when the run goes on.
  private func runBetweenEvents(_ limit: UInt64, _ code: GuestCode) -> RunEnd? {
    let now = retired
    s[SystemSlot.hasFetched] = 0
    guard Int64(bitPattern: limit &- now) > 0 else { return .limit }
    if needsStepping { return stepTowards(limit, whileNeeded: true) }
    guard let op = code.find(self) else {
      noteFault()
      return nil
    }
    // The last instructions are executed one by one.
    if limit &- now < op.left { return stepTowards(limit) }
    // A slice at a time, so that a kick is noticed without a look at each block.
    setLimit(now &+ min(limit &- now, CPU.slice))
    s[SystemSlot.runsBlocks] = 1
    defer { s[SystemSlot.runsBlocks] = 0 }
    return interpret(op)
  }

  private static var slice: UInt64 { 16384 }

  private func stepTowards(_ limit: UInt64, whileNeeded: Bool = false) -> RunEnd? {
    setLimit(limit)
    repeat {
      if let end = step() { return end }
      noteCodeHere()
      // Behind a HLT the run ends as halted, whatever is to stop there.
      if s[Slot.eventKind] | s[Slot.halted] == 0 && isAtStop { return .stopAddress }
      if acceptsAwaitedInterrupt { return nil }
      if whileNeeded && !needsStepping || s[Slot.nmiPending] & ~s[Slot.nmiMasked] != 0 { return nil }
    } while s[Slot.eventKind] | s[Slot.halted] | s[Slot.kick] == 0 && Int64(bitPattern: s[Slot.remaining]) > 0
    return nil
  }

  /// Moves the budget; the count of retired instructions stays.
  private func setLimit(_ limit: UInt64) {
    let now = retired
    s[Slot.limit] = limit
    s[Slot.remaining] = limit &- now
  }

  /// The run stops before the instruction at this linear address (whatever it is; `nil`: nowhere). Looked at before
  /// each instruction but the first: callers that start at the address step over it first.
  func setStopAddress(_ linear: UInt64?) {
    let old = s[Slot.hasStopAddress] != 0 ? s[Slot.stopAddress] : nil
    guard linear != old else { return }
    s[Slot.hasStopAddress] = linear == nil ? 0 : 1
    s[Slot.stopAddress] = linear ?? 0
    for address in [old, linear].compactMap(\.self) { core.code.invalidate(linear: address) }
  }

  /// Delivers a pending event; what ends the run instead, if anything.
  func settleEvents() -> RunEnd? {
    while let event = pendingEvent {
      switch deliver(event) {
      case .delivered:
        pendingEvent = nil
        s[Slot.repeatIterations] = 0
        clearReplies()
      case .exit:
        s[Slot.replyCursor] = 0
        return .exit
      case .shutdown:
        return .shutdown
      }
    }
    return s[Slot.halted] != 0 ? .halted : nil
  }

  /// Executes exactly one instruction, decoded anew. A fault becomes the pending event.
  func step() -> RunEnd? {
    // A REP instruction that a block has begun goes on as it was decoded there.
    let goesOn = s[SystemSlot.mustStep] != 0 && s[Slot.repeatIterations] != 0
    s[SystemSlot.mustStep] = 0
    let traps = s[Slot.systemFlags] & RFlags.tf != 0
    let shadow = s[Slot.interruptShadow]
    guard beforeInstruction() else {
      noteFault()
      return nil
    }
    guard goesOn || fetch(into: &scratchOp.pointee) else {
      noteFault()
      return nil
    }
    let op = Op(scratchOp)
    s[Slot.interruptShadow] = 0
    rip = nextRIP(op)
    // Each iteration of a REP instruction ends in a trap; breakpoints that MOV SS has held back wait for the first.
    let trapsInside = op.isRepeated && (traps || shadow >> Shadow.heldBreakpoints != 0)
    // So does a shadow: what waits for its end comes behind the first.
    let waitsInside = op.isRepeated && shadow != 0 && s[SystemSlot.awaitedFlag] & s[Slot.systemFlags] != 0
    let (limit, done) = (s[Slot.repeatLimit], s[Slot.repeatIterations])
    if trapsInside || waitsInside { s[Slot.repeatLimit] = done &+ 1 }
    let completes = execute(op)
    if trapsInside || waitsInside { s[Slot.repeatLimit] = limit }
    if completes {
      s[Slot.remaining] &-= 1
      clearReplies()
      s[Slot.repeatIterations] = 0
      afterInstruction(trap: traps, shadow: shadow)
      return s[SystemSlot.stopReason] != 0 ? .stopAddress : nil
    }
    let watched = s[SystemSlot.stopReason]
    s[SystemSlot.stopReason] = 0
    let end = abandon(op, shadow: shadow)
    if end == .iterations || end == .kicked {
      // The iterations before are done.
      s[SystemSlot.stopReason] = watched
      let hasMoved = s[Slot.repeatIterations] != done
      if hasMoved { s[Slot.interruptShadow] = 0 }
      let ends = hasMoved && (trapsInside || s[SystemSlot.debugStatus] != 0)
      if ends {
        noteTrapInside(op)
        afterInstruction(trap: traps, shadow: shadow)
      }
      if end == .kicked && (watched != 0 || ends) { s[Slot.kick] = 1 }
      if watched != 0 { return .stopAddress }
      if ends { return nil }
      if end == .iterations, waitsInside, hasMoved, s[Slot.repeatIterations] != limit { return endOfShadow }
    }
    if end != nil { restoreResumeFlag() }
    return end
  }

  /// Behind the first iteration of a REP instruction, where a shadow ends, a run ends that waits for that.
  private var endOfShadow: RunEnd? {
    guard acceptsAwaitedInterrupt else { return nil }
    restoreResumeFlag()
    return .interruptible
  }

  /// The instruction at `op` did not complete: a fault becomes the pending event, an exit is handed out.
  func abandon(_ op: Op, shadow: UInt64 = 0) -> RunEnd? {
    rip = op.rip
    s[Slot.replyCursor] = 0
    if s[Slot.faultPending] != 0 {
      if s[Slot.faultNotCanonical] != 0 && op.isMemory && op.segment == SegmentNumber.ss { _ = stackFault() }
      noteFault()
      return nil
    }
    s[Slot.interruptShadow] = shadow
    switch s[Slot.exitKind] {
    case ExitKind.none: return nil
    case ExitKind.pause:
      s[Slot.exitKind] = ExitKind.none
      return takeKick() ? .kicked : .iterations
    case ExitKind.step:
      s[Slot.exitKind] = ExitKind.none
      s[SystemSlot.mustStep] = 1
      return nil
    default: return .exit
    }
  }

  /// The instruction at RIP raised a fault: its delivery counts as one instruction, so that the state before it and the
  /// state at the handler have counts of their own.
  func noteFault() {
    s[Slot.remaining] &-= 1
    clearReplies()
    s[Slot.repeatIterations] = 0
    pendingEvent = takeFault()
  }
}
