/// Accepting, delivering and ending interrupts (Intel SDM vol. 3, 11.8).
extension LocalAPIC {
  /// PPR: the priority class that the CPU works at, bits 7:4, and the task's subclass.
  var processorPriority: UInt8 {
    let serving = state.inService.highest ?? 0
    return state.taskPriority >> 4 >= serving >> 4 ? state.taskPriority : serving & 0xf0
  }

  /// The request that the CPU would take now.
  private var pendingVector: UInt8? {
    guard let vector = state.requests.highest, vector >> 4 > processorPriority >> 4 else { return nil }
    return vector
  }

  /// An interrupt of this APIC waits for the CPU.
  public var hasInterrupt: Bool { pendingVector != nil }

  /// An interrupt waits for nothing but a lower task priority.
  public var isHeldBackByTaskPriority: Bool {
    guard pendingVector == nil, let vector = state.requests.highest else { return false }
    return vector >> 4 > (state.inService.highest ?? 0) >> 4
  }

  /// The CPU takes the interrupt: its vector, or the spurious vector when there is none any more.
  public func acknowledge() -> UInt8 {
    guard let vector = pendingVector else { return UInt8(truncatingIfNeeded: state.spurious) }
    state.requests[vector] = false
    state.inService[vector] = true
    return vector
  }

  /// Notes a request; false when it was not taken. Vectors 0 to 15 are illegal.
  @discardableResult
  func accept(vector: UInt8, isLevelTriggered: Bool) -> Bool {
    guard isEnabled else { return false }
    guard vector >= 16 else {
      raise(error: APICError.receiveIllegalVector)
      return false
    }
    state.requests[vector] = true
    state.triggerMode[vector] = isLevelTriggered
    return true
  }

  /// EOI: ends the interrupt of the highest priority in service.
  func endInterrupt() {
    guard let vector = state.inService.highest else { return }
    state.inService[vector] = false
    guard state.triggerMode[vector] else { return }
    if vector == state.lint0.vector { state.lint0.word &= ~LocalVector.remoteIRR }
    endOfInterrupt(vector)
    serveLevel()
  }

  /// A level on LINT0 in fixed, level-triggered mode asks as long as it is there, once until each EOI (11.5.1).
  func serveLevel() {
    let entry = state.lint0
    guard state.pins & 1 != 0, entry.isLevelTriggered, entry.word & (LocalVector.mask | LocalVector.remoteIRR) == 0
    else { return }
    if accept(vector: entry.vector, isLevelTriggered: true) { state.lint0.word |= LocalVector.remoteIRR }
  }

  /// Notes an error. Only the first one after a write to ESR interrupts (11.5.3).
  func raise(error: UInt32) {
    let isArmed = state.errors == 0
    state.errors |= error
    guard isArmed else { return }
    // An error vector that is itself illegal must not raise errors for ever.
    guard !state.errorVector.isMasked, state.errorVector.vector >= 16 else { return }
    accept(vector: state.errorVector.vector, isLevelTriggered: false)
  }

  /// The APIC is on and meant by the message.
  func accepts(_ message: InterruptMessage) -> Bool { isEnabled && isAddressed(by: message) }

  /// A message on the bus. True when it is for this APIC and was taken.
  public func deliver(_ message: InterruptMessage) -> Bool {
    guard isAddressed(by: message) else { return false }
    switch message.mode {
    case .fixed, .lowestPriority:
      return accept(vector: message.vector, isLevelTriggered: message.isLevelTriggered)
    case .nmi:
      sendNMI()
      return true
    // INIT and start-up are for other processors; SMM there is none.
    default: return false
    }
  }

  /// Sends what was written to the ICR (11.6.1). Shorthands: 0 none, 1 self, 2 all, 3 all others.
  func send(_ message: InterruptMessage, shorthand: UInt32) {
    var message = message
    message.isLevelTriggered = false
    let isVector = message.mode == .fixed || message.mode == .lowestPriority
    if isVector, message.vector < 16 { return raise(error: APICError.sendIllegalVector) }
    switch shorthand {
    case 0: _ = deliver(message)
    case 1, 2:
      message.isLogical = false
      message.destination = 0xff
      _ = deliver(message)
    default: break
    }
  }

  /// Logical and physical destinations (11.6.2).
  private func isAddressed(by message: InterruptMessage) -> Bool {
    guard isPresent else { return false }
    let destination = message.destination
    guard message.isLogical else { return destination == state.id || destination == 0xff }
    if destination == 0xff { return true }
    if state.destinationFormat >> 28 == 0xf { return destination & state.logicalID != 0 }
    // Cluster model: the cluster in bits 7:4, the members in bits 3:0.
    return destination >> 4 == state.logicalID >> 4 && destination & state.logicalID & 0x0f != 0
  }
}
