internal import Devices
public import GuestMemory
public import Machine
public import Trace
public import VMMCore

/// What a recording or a plain run is asked to do.
public struct RecordOptions: Sendable {
  /// Nanoseconds of machine time after which the run ends with `.timeout`: at the next interaction, or where it stands.
  public var timeout: UInt64?
  /// Nanoseconds of machine time after which one NMI is injected.
  public var nmiAfter: UInt64?
  /// Vary where interrupts are delivered: a seed for how many instructions they are held back (engines that can step).
  public var chaosSeed: UInt64?
  /// Which digests of the state go into the trace.
  public var digests = DigestRate.usual

  public init() {}
}

/// How a run ended and what it did.
public struct RunOutcome: Equatable, Sendable {
  public var end: EndReason
  /// Events: interactions and deliveries.
  public var events: UInt64
  public var deliveries: UInt64
  public var state: CPUState?
}

/// Runs a machine with its devices, and logs everything that enters its CPU and memory. Without a writer it is the same
/// machine, unlogged: the yardstick for what recording costs.
public final class RecordSession {
  let engine: any Engine
  let board: Board
  let clock: any MachineClock
  let memory: GuestMemory
  let writer: TraceWriter?
  let options: RecordOptions
  let probe: StateProbe
  var output = OutputDigest()
  var events: UInt64 = 0
  var deliveries: UInt64 = 0
  /// How far the guest has run since the last event.
  var progress: ProgressCounter
  var chaos: ChaosSource
  /// By which places are found where registers repeat.
  var changing = ChangingWord()
  /// HLT retired and nothing has been delivered since.
  var isHalted = false
  /// An NMI waits for the end of another one, which nothing announces.
  var awaitsUnmaskedNMI = false
  /// Steps that were taken to that end.
  var stepsToNMI: UInt64 = 0
  private var digestPolicy: DigestPolicy
  private var nmiAt: UInt64?
  private var nextFlush: UInt64 = 0
  private var lastMark: Mark?
  var quiet = QuietPolicy()
  /// Why the run is to end now, from outside: the user's signal, a limit of time.
  private let endRequested: () -> EndReason?
  private var endSoon: (reason: EndReason, deadline: UInt64)?
  private var shortestRun = ShortestRun()

  /// The machine's memory and CPU state are in place already.
  public init(
    engine: any Engine, board: Board, clock: any MachineClock, memory: GuestMemory, writer: TraceWriter?,
    options: RecordOptions, endRequested: @escaping () -> EndReason?
  ) {
    self.engine = engine
    self.board = board
    self.clock = clock
    self.memory = memory
    self.writer = writer
    self.options = options
    self.endRequested = endRequested
    engine.stopsAtX87Errors = true
    probe = StateProbe(engine: engine, memory: memory)
    digestPolicy = DigestPolicy(counted: engine.retiredInstructions != nil, takesAll: options.digests == .all)
    progress = ProgressCounter(engine)
    chaos = ChaosSource(seed: options.chaosSeed)
    nmiAt = options.nmiAfter
  }

  /// Runs until the guest or the user ends it. The trace is closed in order, except when writing it failed.
  public func run() throws -> RunOutcome {
    progress.eventDone(engine, isInteraction: true)
    try recordDigest()
    while true {
      let now = clock.now()
      if let reason = endReason(at: now) {
        guard let exit = try markPlace() else { return try finish(reason) }
        // On the way to the place something came up: the run ends behind it.
        if let reason = try handle(exit) { return try finish(reason) }
        continue
      }
      let exit = try prepareAndRun(now: now)
      if let reason = try handle(exit) { return try finish(reason) }
    }
  }

  // MARK: one turn

  /// Brings the devices up to date, delivers what can be delivered here, and enters the guest.
  private func prepareAndRun(now: UInt64) throws -> VCPUExit {
    board.follow(engine)
    board.advance(to: now)
    if now >= nextFlush {
      try flush(now: now)
      if let exit = try markQuietPlace(now: now) { return exit }
    }
    if progress.isAtInteraction, digestPolicy.isDue(now: now, retired: engine.retiredInstructions) {
      try recordDigest()
    }
    if let exit = try deliverPending(now: now) { return exit }
    let isHeldBack = board.isHeldBackByTaskPriority
    if engine.stopsAtLowerTaskPriority != isHeldBack { engine.stopsAtLowerTaskPriority = isHeldBack }
    let isBlocked = try isBlocked
    changing.mayPass = !isBlocked && !isHeldBack
    if isBlocked { engine.stopsWhenInterruptible = true }
    let stop = nextStop(now: now)
    let exit = try engine.run(try clock.limit(until: stop))
    if isBlocked { engine.stopsWhenInterruptible = false }
    progress.ran(engine)
    if exit == .kicked, engine.retiredInstructions == nil { shortestRun.wasKicked(at: clock.now(), due: stop) }
    return exit
  }

  /// An interrupt waits for the guest to accept it.
  private var isBlocked: Bool {
    get throws {
      guard board.hasInterrupt else { return false }
      return try !engine.settle() || !engine.isInterruptible()
    }
  }

  /// When the guest must be stopped at the latest: for a device, an NMI, the time limit, or to flush the trace.
  private func nextStop(now: UInt64) -> UInt64 {
    var stop = nextFlush
    if let deadline = board.nextDeadline { stop = min(stop, deadline) }
    if let nmiAt { stop = min(stop, nmiAt) }
    if let end = endSoon?.deadline ?? options.timeout { stop = min(stop, end) }
    guard engine.retiredInstructions == nil else { return stop }
    // Not every KVM stops where the task priority falls.
    if awaitsUnmaskedNMI || board.isHeldBackByTaskPriority { stop = min(stop, now + retryInterval) }
    return max(stop, now + shortestRun.nanoseconds)
  }

  private func handle(_ exit: VCPUExit) throws -> EndReason? {
    switch exit {
    case .kicked, .stopped:
      // Another kick is for the next turn, which looks at the time.
      guard let exit = try placeAfterStop(), exit != .kicked else { return nil }
      return try handle(exit)
    case .shutdown:
      return .shutdown
    case .notEmulated(let bytes):
      return .engineStopped(try notEmulatedMessage(bytes))
    case .failed(let reason):
      return .engineStopped(reason)
    default:
      return try interact(exit)
    }
  }

  /// Answers an interaction from the devices and logs it.
  private func interact(_ exit: VCPUExit) throws -> EndReason? {
    board.follow(engine)
    clock.spend(board.latency(of: exit))
    let answer = board.handle(exit, now: clock.now())
    switch answer {
    case .value(let value): engine.reply(value)
    case .fault: engine.replyFault()
    case .none: if case .msrWrite = exit { engine.acknowledge() }
    }
    try engine.followTaskPriority(exit)
    output.fold(exit, answer)
    if let writer { try writer.append(exit, answer) }
    events += 1
    progress.eventDone(engine, isInteraction: true)
    isHalted = exit == .halt
    return isHalted ? try waitForWakeUp() : nil
  }

  /// The vCPU is halted: lets time pass until something can wake it.
  private func waitForWakeUp() throws -> EndReason? {
    let acceptsInterrupts = try engine.isInterruptible()
    guard acceptsInterrupts || nmiAt != nil else { return .haltedForGood }
    while true {
      let now = clock.now()
      board.advance(to: now)
      if let reason = endReason(at: now) { return reason }
      if board.hasInterrupt && acceptsInterrupts || nmiIsDue(now) { return nil }
      if now >= nextFlush { try flush(now: now) }
      guard let deadline = idleDeadline() else { return .haltedForGood }
      clock.idle(until: deadline)
    }
  }

  /// When a halted machine must be looked at again; `nil` when nothing can ever wake it.
  private func idleDeadline() -> UInt64? {
    var deadlines = [board.nextDeadline, nmiAt, options.timeout].compactMap { $0 }
    if board.awaitsInput { deadlines.append(nextFlush) }
    return deadlines.min()
  }

  // MARK: ends

  private func endReason(at now: UInt64) -> EndReason? {
    if let end = board.end { return end }
    let timedOut = options.timeout.map { now >= $0 } ?? false
    guard let reason = endSoon?.reason ?? (timedOut ? .timeout : endRequested()) else { return nil }
    if progress.isAtInteraction { return reason }
    // A count names the place at once; the place of an interaction is cheaper than a fingerprint.
    let deadline = endSoon?.deadline ?? now + 20_000_000
    endSoon = (reason, deadline)
    return progress.instructions(engine) != nil || now >= deadline ? reason : nil
  }

  private func finish(_ reason: EndReason) throws -> RunOutcome {
    var state: CPUState?
    if try engine.settle() {
      state = try engine.state()
      if progress.isAtEvent, options.digests != .none { try recordDigest() }
    }
    if let writer {
      if let mark = try markAtTheEnd(reason) { try writer.append(.mark(mark)) }
      try writer.append(.end(reason))
      try writer.close(elapsed: clock.now())
    }
    return RunOutcome(end: reason, events: events, deliveries: deliveries, state: state)
  }

  private func flush(now: UInt64) throws {
    nextFlush = now + 100_000_000
    board.pollInput(now: now)
    guard let writer else { return }
    if let mark = countedMark(), mark != lastMark {
      try writer.append(.mark(mark))
      lastMark = mark
    }
    try writer.flush(elapsed: now)
  }

  /// Writes the digests of the state right here, where the engine may be between units: then the next event will do.
  private func recordDigest() throws {
    guard let writer, options.digests != .none, try engine.settle() else { return }
    let start = clock.now()
    let state = try engine.state()
    let digest = try probe.digest(of: state, output: output.value)
    try writer.append(.detail(probe.takeDetail(of: state)))
    try writer.append(.digest(digest))
    digestPolicy.taken(from: start, to: clock.now(), retired: engine.retiredInstructions)
  }

  // MARK: NMI

  func nmiIsDue(_ now: UInt64) -> Bool { board.hasNMI || nmiAt.map { now >= $0 } ?? false }

  func nmiDone() {
    stepsToNMI = 0
    if board.hasNMI { board.acknowledgeNMI() } else { nmiAt = nil }
  }
}
