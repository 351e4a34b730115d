internal import GuestMemory
public import Trace
public import VMMCore

/// What a replay that stayed on the recorded path found.
public struct ReplayOutcome: Equatable, Sendable {
  /// How the recording ended; `nil` for one that breaks off.
  public var end: EndReason?
  /// Events replayed.
  public var events: UInt64
  /// Digests compared: recorded state digests and fingerprints.
  public var checks: UInt64
  /// Where the replay stopped.
  public var position: Position
  /// The digests there, whether recorded or not: equal in every replay.
  public var final: StateDigest
  public var state: CPUState
}

/// Re-executes a trace: answers every interaction from it, delivers every interrupt where it was delivered, compares
/// everything that the guest sends and every recorded digest. There are no devices.
public final class ReplaySession {
  let engine: any Engine
  let core: ReplayCore
  private let watchdog: any MachineClock

  private let limits: ReplayLimits
  private var distance: EventDistance

  /// The machine's memory and CPU state are in place already. `watchdog` stops a guest that never comes back;
  /// `onOutput` gets the console text byte by byte.
  convenience init(
    engine: any Engine, memory: GuestMemory, cursor: TraceCursor, watchdog: any MachineClock,
    limits: ReplayLimits = ReplayLimits(), onOutput: @escaping (UInt8) -> Void
  ) {
    let core = ReplayCore(engine: engine, memory: memory, cursor: cursor, onOutput: { onOutput($1) })
    self.init(core, watchdog: watchdog, limits: limits)
  }

  /// Goes on where a replay stands.
  init(_ core: ReplayCore, watchdog: any MachineClock, limits: ReplayLimits) {
    engine = core.engine
    self.core = core
    self.watchdog = watchdog
    self.limits = limits
    distance = EventDistance(core.progress.cursor.reader.header)
  }

  /// Gets every record as it is replayed, deliveries with the exact count of instructions where the engine counts them.
  public var onRecord: ((TraceEvent) throws -> Void)?

  /// Events that are complete.
  var events: UInt64 { core.progress.events }

  /// Replays to the end of the trace. Throws `Divergence`, `TraceError` or `EngineError`.
  public func run() throws -> ReplayOutcome {
    var mark: Mark?
    while let event = try core.progress.cursor.next() {
      switch event {
      case .mark(let last): mark = last
      case .end(let reason): return try finish(reason, mark)
      default: try carryOut(event)
      }
    }
    return try finish(nil, mark)
  }

  /// Replays one record of the trace, which does not belong to its end.
  func carryOut(_ event: TraceEvent) throws {
    switch event {
    case .interaction(let expected, let answer):
      var effort = openEffort
      try core.take(try runGuest(.free, &effort), expected: expected, answer)
      try onRecord?(event)
    case .delivery(let delivery, let place):
      try go(to: place)
      try onRecord?(.delivery(delivery, at: countedPlace ?? place))
      try core.carryOut(delivery, at: place)
    case .detail(let next):
      core.progress.detail = next
      try onRecord?(event)
    case .digest(var expected):
      try core.check(expected)
      if let retired = engine.retiredInstructions { expected.instructions = retired }
      try onRecord?(.digest(expected))
    case .mark, .end: preconditionFailure("the end is the caller's")
    }
  }

  /// Where the engine stands, when it counts.
  private var countedPlace: Place? {
    engine.retiredInstructions.map { _ in .instructions(core.instructions, iterations: core.iterations) }
  }

  // MARK: running

  /// Enters the guest, and ends the replay where it has run too far.
  private func runGuest(_ limit: RunLimit, _ effort: inout Effort) throws -> VCPUExit {
    let goal = engine.retiredInstructions.map { $0 &+ limit.instructionCount }
    var limit = limit
    while true {
      try limits.poll?()
      try checkRepeat(&effort)
      let slice = try watchdog.limit(until: limits.alarm(after: watchdog.now()))
      let exit = try engine.run(limit.sliced(by: slice).sliced(by: untilSample(effort)))
      effort.counter.ran(engine)
      if exit == .stopped, limit.isDone(goal, engine) { return exit }
      guard exit == .kicked || exit == .stopped else { return exit }
      try check(&effort)
      // Somebody else's kick: go on, where the count of instructions is not lost.
      switch limit {
      case .free: break
      case .until: return .stopped  // the caller looks at the state and goes on
      case .instructions(let count):
        let left = goal.map { $0 &- (engine.retiredInstructions ?? 0) }
        guard let left = left ?? engine.instructionsOfLastRun.map({ count &- $0 }) else {
          throw EngineError("a signal interrupted single-stepping: replay again")
        }
        if left == 0 { return .stopped }
        limit = .instructions(left)
      }
    }
  }

  /// What has been spent on the way to one event.
  private struct Effort {
    /// Instructions.
    var allowed: UInt64
    /// When the event was recorded, if its record says so: nanoseconds since the begin.
    var time: UInt64?
    /// The trace was asked what is allowed.
    var isBounded = false
    /// Looks whether the guest repeats itself, on a way that only the guest ends; by engines that count.
    var cycle: StateCycle?
    /// By engines that do not count: when it was first looked at, and the thread's work when it began to matter.
    var start: UInt64?
    var work: UInt64?
    /// By the same: the work that is allowed; instructions that were counted all the same.
    var allowedWork: UInt64 = 0
    var counter: ProgressCounter

    init(allowed: UInt64, _ engine: any Engine) {
      self.allowed = allowed
      counter = ProgressCounter(engine)
    }
  }

  private var effort: Effort { Effort(allowed: distance.unquestioned, engine) }

  private func check(_ effort: inout Effort) throws {
    guard engine.retiredInstructions == nil else { return try checkCount(core.instructions, &effort) }
    if let counted = effort.counter.instructions(engine) { try checkCount(counted, &effort) }
    try checkTime(&effort)
  }

  /// The way may be so many instructions long.
  private func checkCount(_ count: UInt64, _ effort: inout Effort) throws {
    guard count > effort.allowed else { return }
    if !effort.isBounded {
      effort.isBounded = true
      effort.allowed = distance.most(
        to: core.progress.cursor, at: effort.time, after: core.progress.time,
        retiredAtEvent: core.progress.retiredAtEvent)
    }
    if count > effort.allowed { throw try core.diverged(.overrun(instructions: effort.allowed)) }
  }

  /// Nothing comes in on the way to this event: a state that was there before will be there again, and again.
  private func checkRepeat(_ effort: inout Effort) throws {
    guard let next = effort.cycle?.next, core.instructions >= next, try engine.settle() else { return }
    let (state, memory) = (try engine.state(), try core.probe.memoryNow())
    if effort.cycle?.isRepeated(state, memory: memory, after: core.instructions) == true {
      throw try core.diverged(.endless(instructions: core.instructions))
    }
  }

  /// At most to where the state is looked at next.
  private func untilSample(_ effort: Effort) -> RunLimit {
    guard let next = effort.cycle?.next, next > core.instructions else { return .free }
    return .instructions(next - core.instructions)
  }

  /// What is spent on a way that ends where the guest comes to the next event, not at a count.
  private var openEffort: Effort {
    var effort = effort
    if engine.retiredInstructions != nil { effort.cycle = StateCycle() }
    return effort
  }

  /// The time that a host takes is no verdict: a process may be stopped, a machine busy. What counts is work.
  private func checkTime(_ effort: inout Effort) throws {
    let now = watchdog.now()
    guard let start = effort.start else {
      effort.start = now
      return
    }
    if let patience = limits.patience {
      if now - start > patience { throw ReplayLimits.Exceeded() }
      return
    }
    guard now - start > limits.unquestioned else { return }
    guard let before = effort.work else {
      effort.work = watchdog.work()
      effort.allowedWork = limits.allowance(to: core.progress.cursor)
      return
    }
    let work = watchdog.work() &- before
    if work > effort.allowedWork { throw ReplayStall(event: events, work: work) }
  }

  private func go(to place: Place) throws {
    switch place {
    case .instructions(let count, let iterations):
      if iterations > 0, !engine.stopsInsideRepeat { throw Refusal.insideRepeat.error(at: events) }
      if count > limits.longestWalk { throw ReplayLimits.Exceeded() }
      var effort = effort
      try checkCount(count, &effort)
      if count > 0 {
        let exit = try runGuest(.instructions(count), &effort)
        guard exit == .stopped else {
          throw try core.diverged(
            .unexpectedExit(expected: "\(count) instructions after the last event", actual: exit))
        }
      }
      try goInside(iterations)
    case .fingerprint(let fingerprint): try find(fingerprint)
    }
  }

  /// Carries the REP instruction at RIP on until so many of its iterations are done since the last event.
  private func goInside(_ iterations: UInt64) throws {
    let retired = engine.retiredInstructions
    while core.iterations < iterations {
      try limits.poll?()
      let exit = try engine.runIterations(min(iterations - core.iterations, 1_000_000))
      guard exit == .stopped || exit == .kicked, engine.retiredInstructions == retired else {
        throw try core.diverged(
          .unexpectedExit(expected: "an interrupt after \(iterations) iterations of a REP instruction", actual: exit))
      }
    }
  }

  /// Runs from one pass of the fingerprint's RIP to the next until the whole state is the recorded one.
  private func find(_ fingerprint: Fingerprint) throws {
    var effort = openEffort
    effort.time = fingerprint.time
    guard try engine.settle() else {
      throw try core.diverged(.unexpectedExit(expected: "a place with recorded registers", actual: .stopped))
    }
    engine.setStopFilter(fingerprint.filter)
    defer { engine.setStopFilter(nil) }
    // Passes that are not the place.
    var passes = effort.cycle
    while true {
      if let here = try core.candidate(for: fingerprint) {
        if here.isIt { break }
        if passes?.isRepeated(here.state, memory: here.memory, after: core.instructions) == true {
          throw try core.diverged(.endless(instructions: core.instructions))
        }
      }
      try check(&effort)
      let exit = try runGuest(.until(rip: fingerprint.rip), &effort)
      // The place may be right where the engine gives up.
      if exit != .stopped, !exit.isInteraction, try core.matches(fingerprint) { break }
      guard exit == .stopped else {
        throw try core.diverged(
          .unexpectedExit(expected: "an interrupt at rip \(hex(fingerprint.rip)) with recorded registers", actual: exit)
        )
      }
    }
    core.checkHeld()
  }

  // MARK: the end

  /// Goes to where the recording ended, or is known to have gone.
  private func finish(_ end: EndReason?, _ mark: Mark?) throws -> ReplayOutcome {
    if let end, !end.canFollow(core.progress.history.last) { throw try core.diverged(.wrongEnd(end)) }
    if end == .shutdown {
      try runToShutdown(mark)
    } else if let mark {
      try go(to: mark.place)
    }
    if let mark { try core.check(mark) }
    try recordEnd(end)
    // A trace that breaks off can end between the units of a REP: the engine then finishes none of it.
    let settled = try engine.settle()
    let state = settled || end == .shutdown ? try engine.state() : CPUState()
    let final = try core.probe.digest(of: state, output: core.progress.output.value)
    return ReplayOutcome(
      end: end, events: events, checks: core.progress.checks, position: Position(ordinal: events), final: final,
      state: state)
  }

  private func runToShutdown(_ mark: Mark?) throws {
    var effort = openEffort
    let exit = try runGuest(.free, &effort)
    guard exit == .shutdown else {
      throw try core.diverged(.unexpectedExit(expected: "a triple fault", actual: exit))
    }
    // The mark lies at the fault.
    guard case .instructions(let count, _)? = mark?.place, engine.retiredInstructions != nil else { return }
    guard count == core.instructions else {
      throw try core.diverged(.wrongCount(expected: count, actual: core.instructions))
    }
  }

  private func recordEnd(_ end: EndReason?) throws {
    guard let onRecord else { return }
    if let place = countedPlace {
      try onRecord(.mark(Mark(at: place, instructions: engine.retiredInstructions ?? 0)))
    }
    if let end { try onRecord(.end(end)) }
  }
}

extension EndReason {
  /// A recording can end in this way right behind this event. What the user, a clock or the host ended, ends anywhere.
  fileprivate func canFollow(_ last: TraceEvent?) -> Bool {
    switch (self, last) {
    case (.powerOff, .interaction(.portWrite, _)?), (.reset, .interaction(.portWrite, _)?): true
    case (.debugExit(let value), .interaction(.portWrite(_, _, let written), _)?): value == written
    case (.haltedForGood, .interaction(.halt, _)?): true
    case (.powerOff, _), (.reset, _), (.debugExit, _), (.haltedForGood, _): false
    case (.shutdown, _), (.timeout, _), (.interrupted, _), (.engineStopped, _): true
    }
  }
}

extension RunLimit {
  /// At most as many instructions as a slice of them; kept as it is when the slice is not counted.
  fileprivate func sliced(by slice: RunLimit) -> RunLimit {
    guard case .instructions(let count) = slice else { return self }
    switch self {
    case .free: return slice
    case .instructions(let wanted): return .instructions(min(wanted, count))
    case .until(let rip, let within): return .until(rip: rip, within: min(within, count))
    }
  }

  /// A `.stopped` that ends this limit, not only a slice of it.
  fileprivate func isDone(_ goal: UInt64?, _ engine: any Engine) -> Bool {
    switch self {
    case .free: false
    case .until: true
    case .instructions: goal == nil || engine.retiredInstructions == goal
    }
  }
}
