extension UART {
  /// IER. Enabling the transmitter's interrupt while it is empty asks for one at once.
  func writeInterruptEnable(_ value: UInt8, now: UInt64) {
    if value & ~state.interruptEnable & InterruptEnable.transmitterEmpty != 0 { state.transmitterEmptyPending = true }
    state.interruptEnable = value & InterruptEnable.all
    // Who sets up interrupts does not poll any more.
    state.polls = 0
    fillReceiver(now: now)
    updateInterrupt()
  }

  /// IIR. Reading it ends the transmitter's interrupt, if that is what it shows.
  func readInterruptIdentification() -> UInt8 {
    let source = interruptSource
    if source == InterruptIdentification.transmitterEmpty {
      state.transmitterEmptyPending = false
      updateInterrupt()
    }
    return source | (state.fifosEnabled ? InterruptIdentification.fifosEnabled : 0)
  }

  /// IIR bits 3:0: the pending source of the highest priority (data sheet, table V).
  private var interruptSource: UInt8 {
    let enabled = state.interruptEnable
    if enabled & InterruptEnable.lineStatus != 0, lineErrors != 0 { return InterruptIdentification.lineStatus }
    if enabled & InterruptEnable.receivedData != 0 {
      if state.received.count >= triggerLevel { return InterruptIdentification.receivedData }
      if state.timeoutPending { return InterruptIdentification.characterTimeout }
    }
    if enabled & InterruptEnable.transmitterEmpty != 0, state.transmitterEmptyPending {
      return InterruptIdentification.transmitterEmpty
    }
    if enabled & InterruptEnable.modemStatus != 0, state.modemDeltas != 0 {
      return InterruptIdentification.modemStatus
    }
    return InterruptIdentification.none
  }

  /// A PC leads the interrupt output through a gate that OUT2 opens; in the loop the pin OUT2 is inactive.
  var isGateOpen: Bool {
    state.modemControl & (ModemControl.out2 | ModemControl.loop) == ModemControl.out2
  }

  func updateInterrupt() {
    let level = isGateOpen && interruptSource != InterruptIdentification.none
    if level != state.interruptLevel {
      state.interruptLevel = level
      interrupt.set(level)
    }
  }
}
