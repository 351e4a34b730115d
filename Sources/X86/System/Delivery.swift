internal import VMMCore

/// One passage through the interrupt table.
struct Interruption {
  var vector: UInt8
  var errorCode: UInt32?
  /// INT n, INT3 or INTO: the gate's DPL is checked.
  var isSoftware: Bool
  /// The image of RFLAGS in the frame.
  var flags: UInt64
}

extension CPU {
  /// Delivers an exception or interrupt through the IDT. RIP is what the frame shall hold. A fault on the way is
  /// delivered instead, or as #DF, or ends in a shutdown (Intel SDM vol. 3, table 6-5).
  func deliver(_ event: PendingEvent) -> DeliveryEnd {
    var current = event
    while true {
      s[SystemSlot.external] = current.kind == .softwareInterrupt ? 0 : 1
      let done = interrupt(interruption(current))
      s[SystemSlot.external] = 0
      if done {
        finishDelivery(current)
        return .delivered
      }
      guard let fault = takeFault() else { return .exit }
      guard let next = escalated(current, fault) else { return .shutdown }
      clearReplies()
      pendingEvent = next
      current = next
    }
  }

  private func finishDelivery(_ event: PendingEvent) {
    s[Slot.halted] = 0
    s[Slot.interruptShadow] = 0
    s[Slot.repeatIterations] = 0
    // What the CPU itself accesses on the way is no data breakpoint.
    s[SystemSlot.debugStatus] = 0
    if event.kind == .nmi { s[Slot.nmiMasked] = 1 }
    // General detection ends when the handler is entered.
    if event.kind == .exception && event.vector == ExceptionVector.debug {
      s[Slot.dr + 7] &= ~(1 << 13)
      debugRegistersChanged()
    }
  }

  private func interruption(_ event: PendingEvent) -> Interruption {
    var flags = rflags
    switch event.kind {
    case .exception where isFault(event.vector) && !does(.faultsKeepResumeFlag): flags |= RFlags.rf
    case .externalInterrupt where s[Slot.repeatIterations] != 0, .nmi where s[Slot.repeatIterations] != 0:
      flags |= RFlags.rf
    default: break
    }
    return Interruption(
      vector: event.vector, errorCode: isProtected ? event.errorCode : nil,
      isSoftware: event.kind == .softwareInterrupt, flags: flags)
  }

  /// Faults push RF set, so that an instruction breakpoint does not hit twice. #DB leaves it as it is.
  private func isFault(_ vector: UInt8) -> Bool {
    vector != ExceptionVector.debug && vector != ExceptionVector.breakpoint && vector != ExceptionVector.overflow
      && vector != ExceptionVector.doubleFault
  }

  /// What is delivered when delivering `first` raised `second`; `nil` for a shutdown.
  private func escalated(_ first: PendingEvent, _ second: PendingEvent) -> PendingEvent? {
    guard first.kind == .exception else { return second }
    if first.vector == ExceptionVector.doubleFault { return nil }
    let firstIsPageFault = first.vector == ExceptionVector.pageFault
    let escalates =
      isContributory(first.vector) && isContributory(second.vector)
      || firstIsPageFault && (isContributory(second.vector) || second.vector == ExceptionVector.pageFault)
    guard escalates else { return second }
    return PendingEvent(kind: .exception, vector: ExceptionVector.doubleFault, errorCode: 0)
  }

  private func isContributory(_ vector: UInt8) -> Bool {
    vector == ExceptionVector.divideError
      || vector >= ExceptionVector.invalidTSS && vector <= ExceptionVector.generalProtection
  }

  /// Passes through the interrupt table; changes nothing when it returns false.
  func interrupt(_ interruption: Interruption) -> Bool {
    guard isProtected else { return interruptReal(interruption) }
    return isLongMode ? interruptLong(interruption) : interruptProtected(interruption)
  }

  /// The error code that names an entry of the IDT.
  func gateErrorCode(_ vector: UInt8) -> UInt32 {
    UInt32(vector) << 3 | 2 | UInt32(truncatingIfNeeded: s[SystemSlot.external])
  }

  /// RFLAGS behind a gate.
  func enterHandler(disablingInterrupts: Bool) {
    s[Slot.systemFlags] &= ~(RFlags.tf | RFlags.nt | RFlags.rf | RFlags.vm)
    if disablingInterrupts { s[Slot.systemFlags] &= ~RFlags.interrupt }
  }
}
