public import GuestMemory
public import VMMCore

/// A vCPU in software. It counts retired instructions and stops anywhere exactly, in every mode.
///
/// An answered interaction is completed at once, by `reply`, `replyFault` and `acknowledge` (and before `run` returns a
/// write), so that `retiredInstructions` always counts up to the place right after it.
public final class SoftwareEngine: Engine {
  public let name = "software"
  public let memory: GuestMemory
  public let model: CPUModel

  let core: CPUCore
  var cpu: CPU { core.cpu }
  /// `run` returned an interaction that has not been answered.
  private var awaitsAnswer = false
  /// An exit that came while an interaction was completed: the next `run` returns it.
  var queued: VCPUExit?

  /// Makes a vCPU in the state after RESET, on memory of at most two regions.
  public convenience init(memory: GuestMemory, cpuModel: CPUModel = .softwareDefault) {
    self.init(code: GuestCode(memory: memory, profile: cpuModel.undefined), cpuModel: cpuModel)
  }

  /// Makes one beside others on the same memory, which share what is known of its code. They are to run one at a time,
  /// all on one thread.
  ///
  /// - Parameter cpuModel: its profile is that of `code`.
  public init(code: GuestCode, cpuModel: CPUModel = .softwareDefault) {
    precondition(cpuModel.undefined == code.profile, "vCPUs that share code, with another profile")
    memory = code.memory
    model = cpuModel
    core = CPUCore(code: code, model: cpuModel)
  }

  /// What is known of the code in its memory.
  public var code: GuestCode { core.code }

  public var translation: TranslationStatistics? { core.code.meter?.statistics }
  public func measureTranslation(by clock: @escaping () -> UInt64) {
    core.code.meter = TranslationMeter(clock: clock)
  }

  // MARK: running

  /// Never throws. `.failed` when the last interaction has not been answered, or the vCPU is halted and nothing has
  /// woken it.
  public func run(_ limit: RunLimit) throws(EngineError) -> VCPUExit {
    if let exit = exitBeforeRunning() { return exit }
    switch limit {
    // More than any run can retire.
    case .free: return run(count: 1 << 62)
    case .instructions(let count): return run(count: min(count, 1 << 62))
    case .until(let rip, let count): return run(count: min(count, 1 << 62), stopAddress: rip)
    }
  }

  public var stopsInsideRepeat: Bool { true }

  public func runIterations(_ count: UInt64) throws(EngineError) -> VCPUExit {
    if let exit = exitBeforeRunning() { return exit }
    // What is delivered first begins a new count.
    if cpu.isEventDue, let end = cpu.settleEvents() { return exit(of: end) }
    cpu[Slot.repeatLimit] = cpu[Slot.repeatIterations] &+ count
    defer { cpu[Slot.repeatLimit] = 0 }
    return run(count: 1)
  }

  /// What a run hands out without executing anything.
  private func exitBeforeRunning() -> VCPUExit? {
    if let exit = queued {
      queued = nil
      if exit != .stopped { debugStop = nil }
      return handOut(exit)
    }
    debugStop = nil
    if awaitsAnswer { return .failed("run before the last interaction was answered") }
    if cpu.isHalted {
      return takeKick() ? .kicked : .failed("the vCPU is halted and no interrupt was injected")
    }
    cpu.forgetDebugStop()
    return nil
  }

  private func run(count: UInt64, stopAddress: UInt64? = nil) -> VCPUExit {
    cpu.setStopAddress(stopAddress)
    return exit(of: cpu.run(until: cpu.retired &+ count))
  }

  private func exit(of end: RunEnd) -> VCPUExit {
    switch end {
    case .limit, .iterations: return .stopped
    case .stopAddress:
      debugStop = cpu.takeDebugStop()
      return .stopped
    case .exit: return cpu.requestedExit.map { handOut($0) } ?? .failed("an exit without a reason")
    case .halted: return .halt
    case .kicked, .interruptible: return .kicked
    case .shutdown: return .shutdown
    }
  }

  private func handOut(_ exit: VCPUExit) -> VCPUExit {
    switch exit {
    case .portRead, .mmioRead, .msrRead, .timestampRead, .randomRead, .msrWrite: awaitsAnswer = true
    case .portWrite, .mmioWrite: complete(0)
    default: break
    }
    return exit
  }

  // MARK: answers

  public func reply(_ value: UInt64) { answer(value) }
  public func replyFault() { answer(0, fault: true) }
  public func acknowledge() { answer(0) }

  private func answer(_ value: UInt64, fault: Bool = false) {
    precondition(awaitsAnswer, "an answer to nothing")
    awaitsAnswer = false
    complete(value, fault: fault)
  }

  /// Carries the interaction's instruction on to its end, its next interaction, or (REP) its next iteration.
  private func complete(_ value: UInt64, fault: Bool = false) {
    cpu.answer(value, fault: fault)
    let wasKicked = takeKick()
    cpu[Slot.repeatLimit] = cpu[Slot.repeatIterations] &+ 1
    let end = cpu.resume()
    cpu[Slot.repeatLimit] = 0
    if wasKicked { kick() }
    switch end {
    case .exit: queued = cpu.requestedExit
    case .shutdown: queued = .shutdown
    case .stopAddress: queued = self.exit(of: .stopAddress)
    default: break
    }
  }

  func forgetInteraction() {
    precondition(awaitsAnswer && cpu[Slot.replyCount] == 0, "an interaction that cannot be taken back")
    awaitsAnswer = false
    cpu.clearReplies()
  }

  public func settle() throws(EngineError) -> Bool { isSettled }

  var isSettled: Bool {
    if let exit = queued { return !exit.isInteraction }
    return !awaitsAnswer
  }

  // MARK: state

  public func state() throws(EngineError) -> CPUState {
    guard isSettled else { throw EngineError("the state was asked for inside an interaction") }
    return cpu.state
  }

  /// Takes the state over, whatever was pending before, and forgets everything derived from memory.
  public func setState(_ state: CPUState) throws(EngineError) { take(state, keepingBlocks: false) }

  /// Takes over a state whose memory is in place already: `changed` are the pages (indices as in the dirty set) that
  /// may hold something else than before. Decoded code of other pages is used on.
  public func setState(_ state: CPUState, changed: some Sequence<Int>) {
    memoryChanged(pages: changed)
    take(state, keepingBlocks: true)
  }

  private func take(_ state: CPUState, keepingBlocks: Bool) {
    queued = nil
    awaitsAnswer = false
    cpu[SystemSlot.mustStep] = 0
    cpu.load(state, keepingBlocks: keepingBlocks)
    cpu.debugRegistersChanged()
  }

  public func privilegeLevel() throws(EngineError) -> UInt8 { UInt8(cpu.privilegeLevel) }

  /// Instructions retired since the engine was made, or since it was set.
  public var retiredInstructions: UInt64? { cpu.retired }

  /// Makes the count of retired instructions that of the place a checkpoint was taken at.
  public func setRetiredInstructions(_ count: UInt64) {
    cpu[Slot.limit] = count
    cpu[Slot.remaining] = 0
  }

  public func collectDirtyPages() throws(EngineError) {
    // Stores mark pages themselves, once for each time they are looked at.
    core.code.closeToStores()
  }

  /// The host wrote to these pages of guest memory (indices as in the dirty set): nothing derived from them is used on.
  /// Needed after writes past the engine; not before `setState`.
  public func memoryChanged(pages: some Sequence<Int>) {
    for page in pages where page >= 0 && page < memory.pageCount {
      core.code.noteExternalWrite(page)
    }
  }

  // MARK: events

  public func isInterruptible() throws(EngineError) -> Bool { isSettled && cpu.isInterruptible }

  public func inject(interrupt vector: UInt8) throws(EngineError) {
    guard isSettled, cpu.isInterruptible else {
      throw EngineError("interrupt \(hex(vector)) injected where the guest does not accept one")
    }
    cpu.pendingEvent = PendingEvent(kind: .externalInterrupt, vector: vector)
    cpu[Slot.halted] = 0
  }

  public func injectNMI() throws(EngineError) {
    guard isSettled else { throw EngineError("an NMI was injected inside an interaction") }
    cpu.requestNMI()
  }

  // MARK: the local APIC's part of the CPU

  public var taskPriority: UInt8 { UInt8(truncatingIfNeeded: cpu[Slot.cr8]) }
  public func setTaskPriority(_ priority: UInt8) { cpu[Slot.cr8] = UInt64(priority & 15) }
  public var apicBase: UInt64 { cpu[Slot.apicBase] }

  public var stopsAtLowerTaskPriority: Bool {
    get { cpu[SystemSlot.stopsAtLowerPriority] != 0 }
    set { cpu[SystemSlot.stopsAtLowerPriority] = newValue ? 1 : 0 }
  }

  public func takeDoubts() -> [UndefinedDoubt] { cpu.takeDoubts().filter { $0.isDoubtful(under: model.undefined) } }
  public var x87Errors: UInt64 { cpu[SystemSlot.x87Errors] }
  public var stopsAtX87Errors: Bool {
    get { cpu[SystemSlot.reportsX87Errors] != 0 }
    set { cpu[SystemSlot.reportsX87Errors] = newValue ? 1 : 0 }
  }

  public var stopsWhenInterruptible: Bool {
    get { cpu[SystemSlot.awaitedFlag] != 0 }
    set { cpu[SystemSlot.awaitedFlag] = newValue ? RFlags.interrupt : 0 }
  }

  // MARK: kicks

  public func kick() { core.kick() }

  private func takeKick() -> Bool { cpu.takeKick() }

  public var repeatIterations: UInt64 { cpu[Slot.eventKind] == 0 ? cpu[Slot.repeatIterations] : 0 }

  /// The same, also where an event is to be delivered first: what a checkpoint holds beside the state.
  public var iterationsUnderWay: UInt64 {
    get { cpu[Slot.repeatIterations] }
    set { cpu[Slot.repeatIterations] = newValue }
  }

  public func finishInstruction() throws(EngineError) -> VCPUExit? {
    guard isSettled, repeatIterations != 0 else { return nil }
    var wasKicked = false
    defer { if wasKicked { kick() } }
    while true {
      let end = cpu.step()
      if end == .kicked {
        wasKicked = true
        continue
      }
      return end == .exit ? cpu.requestedExit.map { handOut($0) } : nil
    }
  }

  /// Why the last `run` returned `.stopped` before its limit: a breakpoint or a watched range of a debugger.
  public internal(set) var debugStop: DebugStop?
}
