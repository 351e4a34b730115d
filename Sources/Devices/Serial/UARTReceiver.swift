extension UART {
  /// Input for the guest. What the chip has no room for waits.
  public func receive(_ bytes: some Sequence<UInt8>, now: UInt64) {
    advance(to: now)
    state.waiting.append(contentsOf: bytes)
    fillReceiver(now: now)
    updateInterrupt()
  }

  /// Bytes of input that the guest has not read yet.
  public var unreadInput: Int { state.waiting.count + state.received.count }

  public func advance(to now: UInt64) {
    guard let timeout = timeoutTime, now >= timeout else { return }
    state.timeoutPending = true
    updateInterrupt()
  }

  public var nextDeadline: UInt64? {
    guard state.interruptEnable & InterruptEnable.receivedData != 0, state.received.count < triggerLevel else {
      return nil
    }
    return timeoutTime
  }

  /// When the characters in the FIFO will have been lying there, with none coming or going, for the time of four
  /// (data sheet 8.4). `nil` when that cannot happen or has happened.
  private var timeoutTime: UInt64? {
    guard state.fifosEnabled, !state.timeoutPending, !state.received.isEmpty else { return nil }
    return state.lastReceiverActivity.addingClamped(4 * characterTime)
  }

  /// Nanoseconds for one character: start bit, word, parity, stop bits, at 115,200 Hz over the divisor.
  private var characterTime: UInt64 {
    let wordLength = 5 + UInt64(state.lineControl & LineControl.wordLengthMask)
    let parity: UInt64 = state.lineControl & LineControl.parityEnable != 0 ? 1 : 0
    let longStop: UInt64 = wordLength == 5 ? 3 : 4
    let stopHalves = state.lineControl & LineControl.stopBits != 0 ? longStop : 2
    let halves = 2 * (1 + wordLength + parity) + stopHalves
    return halves * UInt64(max(state.divisor, 1)) * Frequency.nanoseconds / (2 * 115_200)
  }

  /// The number of characters at which the received-data interrupt comes.
  var triggerLevel: Int {
    guard state.fifosEnabled else { return 1 }
    switch state.trigger >> 6 {
    case 0: return 1
    case 1: return 4
    case 2: return 8
    default: return 14
    }
  }

  private var capacity: Int { state.fifosEnabled ? 16 : 1 }

  /// Marks a received character that came from outside, not from the loop.
  private static let fromOutside: UInt16 = 1 << 15
  private static let errorBits = UInt16(LineStatus.characterErrors) << 8

  /// A guest that reads LSR so often in a row waits for input.
  static let pollsOfListener: UInt8 = 16

  /// The guest waits for input: by interrupt, or by looking again and again.
  private var isListening: Bool {
    !isPatient || state.interruptEnable & InterruptEnable.receivedData != 0 && isGateOpen
      || state.polls >= UART.pollsOfListener
  }

  /// Counts the reads of LSR that follow each other. Who looks whether he may send reads it once and writes.
  func notePoll(_ isPoll: Bool, now: UInt64) {
    if isPoll, state.lastAccessPolled, state.polls < UART.pollsOfListener {
      state.polls += 1
      fillReceiver(now: now)
      updateInterrupt()
    }
    state.lastAccessPolled = isPoll
  }

  /// Moves waiting input into the room there is. In the loop the serial input is disconnected.
  func fillReceiver(now: UInt64) {
    guard !isLooping, !state.waiting.isEmpty, isListening else { return }
    while state.received.count < capacity, let byte = state.waiting.popFirst() {
      state.received.append(UInt16(byte) | UART.fromOutside)
      state.lastReceiverActivity = now
    }
  }

  /// Resets the receiver. Patient input goes back to where it waited.
  func emptyReceiver() {
    if isPatient {
      let input = state.received.filter { $0 & UART.fromOutside != 0 }
      state.waiting.putBack(input.map { UInt8(truncatingIfNeeded: $0) })
    }
    state.received.removeAll(keepingCapacity: true)
    state.timeoutPending = false
  }

  /// A character from our own transmitter: nobody holds it back, so it may overrun. With FIFOs the new character is
  /// lost, without them the old one (data sheet 8.4, LSR bit 1).
  func receiveLooped(_ character: UInt16, now: UInt64) {
    if state.received.count >= capacity {
      state.overrun = true
      if !state.fifosEnabled { state.received = [character] }
    } else {
      state.received.append(character)
    }
    state.lastReceiverActivity = now
    state.timeoutPending = false
    updateInterrupt()
  }

  /// RBR.
  func readReceiver(now: UInt64) -> UInt8 {
    guard !state.received.isEmpty else { return 0 }
    let character = state.received.removeFirst()
    state.timeoutPending = false
    state.lastReceiverActivity = now
    fillReceiver(now: now)
    updateInterrupt()
    return UInt8(truncatingIfNeeded: character)
  }

  /// LSR. Reading it clears the overrun and the errors of the character that is next.
  func readLineStatus() -> UInt8 {
    var status = LineStatus.transmitterHoldingEmpty | LineStatus.transmitterEmpty | lineErrors
    if !state.received.isEmpty { status |= LineStatus.dataReady }
    if state.fifosEnabled, state.received.contains(where: { $0 & UART.errorBits != 0 }) {
      status |= LineStatus.errorInFIFO
    }
    state.overrun = false
    if !state.received.isEmpty { state.received[0] &= ~UART.errorBits }
    updateInterrupt()
    return status
  }

  /// LSR bits 4:1.
  var lineErrors: UInt8 {
    let ofCharacter = UInt8(truncatingIfNeeded: (state.received.first ?? 0) >> 8) & LineStatus.characterErrors
    return ofCharacter | (state.overrun ? LineStatus.overrun : 0)
  }
}
