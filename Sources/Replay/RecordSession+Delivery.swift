internal import GuestMemory
internal import Trace
internal import VMMCore

// Where asynchronous events are delivered. The choice is the recorder's; what matters is that the place can be named
// exactly: at an event, a number of instructions after it, or by a fingerprint of the state.
extension RecordSession {
  /// How soon to look again when an interrupt is blocked, in nanoseconds.
  var retryInterval: UInt64 { engine.retiredInstructions == nil ? 500_000 : 500 }
  /// How far to step in search of a place with interrupts on, at once.
  private var stepLimit: UInt64 { 256 }

  /// How long chaos holds an interrupt back. Single steps of KVM are slow; and where time is counted in instructions
  /// nothing else varies the place from run to run.
  private var longestHold: UInt64 { engine.retiredInstructions == nil ? 32 : 4096 }

  /// Delivers what is pending where the engine stands, or a few steps on. Returns the exit that came up on the way.
  func deliverPending(now: UInt64) throws -> VCPUExit? {
    guard nmiIsDue(now) || board.hasInterrupt else {
      blockedSince = nil
      return nil
    }
    guard progress.instructions(engine) != nil, try engine.settle() else { return nil }
    if nmiIsDue(now), try acceptsNMI(now) {
      try deliver(.nmi)
      return nil
    }
    guard board.hasInterrupt else { return nil }
    if let exit = try holdBack() { return exit }
    if try engine.isInterruptible() {
      try deliverInterrupt()
      return nil
    }
    let since = blockedSince ?? now
    blockedSince = since
    // Interrupts are off at one exit after the other: go and look between them.
    guard engine.retiredInstructions == nil, now - since >= retryInterval else { return nil }
    if let exit = try searchByStepping(now: now) { return exit }
    if try engine.isInterruptible() { try deliverInterrupt() }
    return nil
  }

  /// Engines that count hold an NMI back while another one is handled, to the end of the IRET that unmasks. KVM may
  /// deliver it anywhere behind that: there it waits for a place that has a name.
  private func acceptsNMI(_ now: UInt64) throws -> Bool {
    if try engine.retiredInstructions != nil || !engine.state().nmiMasked { return true }
    blockedSince = blockedSince ?? now
    return false
  }

  /// Lets chaos choose the place: some instructions on, or inside a REP instruction that begins on the way. Returns an
  /// exit that came first.
  private func holdBack() throws -> VCPUExit? {
    // A halted vCPU has no next instruction.
    if isHalted { return nil }
    let count = chaos.instructionsToHold(atMost: longestHold)
    guard engine.stopsInsideRepeat, count > 0 else { return try step(count, until: { false }) }
    let iterations = chaos.instructionsToHold(atMost: longestHold)
    guard iterations > 0 else { return try step(count, until: { false }) }
    for _ in 0..<count {
      let exit = try engine.runIterations(iterations)
      guard exit == .stopped else {
        progress.ran(engine)
        return exit
      }
      progress.stepped(1)
      if engine.repeatIterations > 0, try engine.isInterruptible() { return nil }
    }
    return nil
  }

  /// The guest was stopped between events. Returns the exit that came up while a place was looked for.
  func placeAfterStop() throws -> VCPUExit? {
    let now = clock.now()
    board.follow(engine)
    board.advance(to: now)
    guard nmiIsDue(now) || board.hasInterrupt else { return nil }
    // Where a place inside a REP instruction has no name, the instruction is carried to its end.
    if !engine.stopsInsideRepeat, let exit = try engine.finishRepeat() { return exit }
    // A place with a count: the next turn delivers.
    guard progress.instructions(engine) == nil else { return nil }
    guard try canNamePlaceHere() else { return try waitForKernelMode(now: now) }
    userModeSince = nil
    if !nmiIsDue(now) {
      blockedSince = blockedSince ?? now
      if let exit = try searchByStepping(now: now) { return exit }
    }
    guard try canNamePlaceHere() else { return nil }
    if nmiIsDue(now), try acceptsNMI(now) {
      try deliver(.nmi)
    } else if try engine.isInterruptible() {
      try deliverInterrupt()
    }
    return nil
  }

  /// A breakpoint and a register compare can find this place again.
  private func canNamePlaceHere() throws -> Bool {
    if engine.stopsInUserMode { return true }
    return try engine.privilegeLevel() < 3
  }

  /// The kick landed in user mode, where this host can find no place again: the interrupt waits for the next exit or
  /// kernel entry. When neither comes for long, the run must end, or it would hang.
  private func waitForKernelMode(now: UInt64) throws -> VCPUExit? {
    blockedSince = blockedSince ?? now
    let since = userModeSince ?? now
    userModeSince = since
    guard now - since > 5_000_000_000 else { return nil }
    return .failed(
      "an interrupt has waited 5 s for user-mode code at rip \(hex(try engine.state().linearRIP)) that neither "
        + "exits nor enters the kernel, and this host's KVM cannot stop there: use --engine kvm+software, or software")
  }

  /// Steps to a place with interrupts on, if one is near and stepping has not taken too much of the run's time: a guest
  /// that keeps interrupts off for long goes on at full speed most of the time.
  private func searchByStepping(now: UInt64) throws -> VCPUExit? {
    if try engine.isInterruptible() { return nil }
    guard now >= nextSearch else { return nil }
    let exit = try step(stepLimit, until: { try self.engine.isInterruptible() })
    let end = clock.now()
    nextSearch = end + 4 * (end - now)
    return exit
  }

  /// Runs at most `count` instructions one by one until the condition holds. Returns an exit that came first.
  private func step(_ count: UInt64, until isDone: () throws -> Bool) throws -> VCPUExit? {
    for _ in 0..<count {
      if try isDone() || !engine.canStep() { return nil }
      let exit = try engine.run(.instructions(1))
      guard exit == .stopped else {
        progress.ran(engine)
        return exit
      }
      progress.stepped(1)
    }
    return nil
  }

  private func deliverInterrupt() throws {
    blockedSince = nil
    // The guest may have raised the task priority on the way here.
    board.follow(engine)
    guard board.hasInterrupt else { return }
    try deliver(.interrupt(vector: board.acknowledgeInterrupt()))
  }

  /// Logs the delivery with its place, then lets it happen.
  private func deliver(_ delivery: Delivery) throws {
    if let writer { try writer.append(.delivery(delivery, at: try placeHere())) }
    switch delivery {
    case .interrupt(let vector): try engine.inject(interrupt: vector)
    case .nmi:
      try engine.injectNMI()
      nmiDone()
    case .memoryWrite(let address, let bytes): memory.write(bytes, at: address)
    }
    events += 1
    deliveries += 1
    isHalted = false
    progress.eventDone(engine, isInteraction: false)
  }

  /// The place where the engine stands.
  private func placeHere() throws -> Place {
    if let instructions = progress.instructions(engine) {
      return .instructions(instructions, iterations: progress.iterations(engine))
    }
    let state = try engine.state()
    return .fingerprint(
      Fingerprint(rip: state.linearRIP, cpu: state.digest, memory: try probe.memoryNow(), registers: state.gpr))
  }

  /// What the user reads when an engine meets an instruction that it cannot execute.
  func notEmulatedMessage(_ bytes: [UInt8]) throws -> String {
    let state = try engine.state()
    return "\(VCPUExit.notEmulated(bytes: bytes)) at rip \(hex(state.linearRIP)) (cpl \(state.privilegeLevel)); "
      + "this host's KVM does not execute it: use --engine software, or a kernel built without it"
  }
}
