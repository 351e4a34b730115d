internal import GuestMemory
internal import Machine
internal import Trace
internal import VMMCore

// Where asynchronous events are delivered. The choice is the recorder's; what matters is that the place can be named
// exactly: at an event, a number of instructions after it, or by a fingerprint of the state.
extension RecordSession {
  /// How soon to look again for a place that nothing announces, in nanoseconds.
  var retryInterval: UInt64 { 500_000 }

  /// So many steps are taken to the end of a handler.
  private var longestNMIHandler: UInt64 { 2000 }

  /// How long chaos holds an interrupt back. Single steps of KVM are slow; and where time is counted in instructions
  /// nothing else varies the place from run to run.
  private var longestHold: UInt64 { engine.retiredInstructions == nil ? 32 : 4096 }

  /// Delivers what is pending where the engine stands, or a few steps on. Returns the exit that came up on the way.
  func deliverPending(now: UInt64) throws -> VCPUExit? {
    guard nmiIsDue(now) || board.hasInterrupt else { return nil }
    guard progress.instructions(engine) != nil, try engine.settle() else { return nil }
    if nmiIsDue(now) {
      if let exit = try stepToUnmaskedNMI() { return exit }
      if try acceptsNMI() {
        try deliver(.nmi)
        return nil
      }
    }
    guard board.hasInterrupt else { return nil }
    if let exit = try holdBack() { return exit }
    if try engine.isInterruptible() { try deliverInterrupt() }
    return nil
  }

  /// On to the end of the IRET that unmasks, by steps, as long as there are not too many for one NMI: an NMI that is
  /// delivered where it is taken comes at the same place on every engine. Returns an exit that came first.
  private func stepToUnmaskedNMI() throws -> VCPUExit? {
    guard stepsToNMI < longestNMIHandler else { return nil }
    return try step(longestNMIHandler - stepsToNMI) {
      guard try engine.state().nmiMasked else { return true }
      stepsToNMI += 1
      return false
    }
  }

  /// Engines that count hold an NMI back while another one is handled for long, to the end of the IRET that unmasks.
  /// KVM may deliver it anywhere behind that: there it waits for a place that has a name.
  private func acceptsNMI() throws -> Bool {
    awaitsUnmaskedNMI = try engine.retiredInstructions == nil && engine.state().nmiMasked
    return !awaitsUnmaskedNMI
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
    if let exit = try lookForChangingWord() { return exit }
    if let exit = try finishInstruction() { return exit }
    // A place with a count: the next turn delivers.
    guard progress.instructions(engine) == nil else { return nil }
    if nmiIsDue(now), try acceptsNMI() {
      try deliver(.nmi)
    } else if try board.hasInterrupt && engine.isInterruptible() {
      try deliverInterrupt()
    }
    return nil
  }

  /// Where a place inside a REP instruction has no name, the instruction is carried to its end. Returns the exit that
  /// came first.
  private func finishInstruction() throws -> VCPUExit? {
    guard !engine.stopsInsideRepeat else { return nil }
    let exit = try clock.standStill { try engine.finishInstruction() }
    progress.ran(engine)
    return exit
  }

  /// Makes the place where the guest stands the end of the recording: a write of no bytes has it, and a replay comes to
  /// stand there. At an event, also one whose delivery KVM still has before it, the end has a place already. Returns
  /// the exit that came up while a place was looked for.
  func markPlace() throws -> VCPUExit? {
    guard !progress.isAtInteraction, writer != nil, try engine.settle() else { return nil }
    guard try engine.state().pendingEvent == nil else { return nil }
    if !progress.isAtEvent {
      if let exit = try lookForChangingWord() { return exit }
      if let exit = try finishInstruction() { return exit }
    }
    try deliver(.memoryWrite(address: GuestPhysicalAddress(0), bytes: []))
    return nil
  }

  /// How far the guest has come, where all instructions have been counted.
  func countedMark() -> Mark? {
    guard let instructions = progress.instructions(engine), let all = engine.countedInstructions, all > 0 else {
      return nil
    }
    return Mark(at: .instructions(instructions, iterations: progress.iterations(engine)), instructions: all)
  }

  /// The same at the end of the recording. Where an engine gives up between two events, the place is named as it can
  /// be.
  func markAtTheEnd(_ reason: EndReason) throws -> Mark? {
    if let mark = countedMark() { return mark }
    guard case .engineStopped = reason, !progress.isAtEvent, try engine.settle() else { return nil }
    return Mark(at: try placeHere(), instructions: 0)
  }

  /// Where instructions are not counted and no event has come for some time: names the place where the guest stands, so
  /// that a recorder that is killed leaves more behind than the last event. Takes a bounded share of the run's time.
  /// Returns the exit that came up while the place was looked for.
  func markQuietPlace(now: UInt64) throws -> VCPUExit? {
    guard let writer, countedMark() == nil, quiet.isDue(events: events, now: now) else { return nil }
    guard !progress.isAtEvent, try engine.settle(), try engine.state().pendingEvent == nil else { return nil }
    if let exit = try lookForChangingWord() { return exit }
    if let exit = try finishInstruction() { return exit }
    try writer.append(.mark(Mark(at: try placeHere(), instructions: 0)))
    let end = clock.now()
    try writer.flush(elapsed: end)
    quiet.marked(from: now, to: end)
    return nil
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
    // The guest may have raised the task priority on the way here.
    board.follow(engine)
    guard board.hasInterrupt else { return }
    try deliver(.interrupt(vector: board.acknowledgeInterrupt()))
  }

  /// Logs the delivery with its place, then lets it happen.
  private func deliver(_ delivery: Delivery) throws {
    try clock.standStill {
      if let writer { try writer.append(.delivery(delivery, at: try placeHere())) }
      switch delivery {
      case .interrupt(let vector): try engine.inject(interrupt: vector)
      case .nmi: try engine.injectNMI()
      case .memoryWrite(let address, let bytes): memory.write(bytes, at: address)
      }
    }
    if delivery == .nmi { nmiDone() }
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
    let word = changing.word.flatMap { address in
      memory.load(address, as: UInt64.self).map { MemoryWord(address: address, value: $0) }
    }
    return .fingerprint(
      Fingerprint(
        rip: state.linearRIP, cpu: state.placeDigest(), memory: try probe.memoryNow(), registers: state.gpr,
        time: clock.now(), word: word))
  }

  /// Where registers repeat, a place is found by a word of memory that the code changes: lets some instructions pass
  /// and sees which one does. Returns an exit that came first.
  private func lookForChangingWord() throws -> VCPUExit? {
    changing.word = nil
    guard writer != nil, changing.mayPass, progress.instructions(engine) == nil else { return nil }
    guard try engine.settle() && engine.canStep(), try changing.repeats(engine.state().gpr) else { return nil }
    changing.copy(try probe.collectChanges(), of: memory)
    guard changing.hasCopies else { return nil }
    let exit = try engine.run(.instructions(ChangingWord.instructions))
    progress.ran(engine)
    guard exit == .stopped || exit == .kicked else { return exit }
    if try engine.settle() { changing.look(at: try probe.collectChanges(), in: memory) }
    return nil
  }

  /// What the user reads when an engine meets an instruction that it cannot execute.
  func notEmulatedMessage(_ bytes: [UInt8]) throws -> String {
    let state = try engine.state()
    return "\(VCPUExit.notEmulated(bytes: bytes)) at rip \(hex(state.linearRIP)) (cpl \(state.privilegeLevel)); "
      + "this host's KVM does not execute it: use --engine software, or a kernel built without it"
  }
}
