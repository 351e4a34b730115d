public import GuestMemory
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
  let memory: GuestMemory
  let probe: StateProbe
  private let watchdog: any MachineClock
  private let onOutput: (UInt8) -> Void
  private var console = ConsoleTap()
  private(set) var cursor: TraceCursor
  private(set) var output = OutputDigest()
  private(set) var events: UInt64 = 0
  private(set) var checks: UInt64 = 0
  private var lastGood = Position.begin
  private var history = EventHistory()
  /// What the next digest was made of.
  private var detail: StateDetail?

  /// How long the guest may run without reaching the next event, in nanoseconds. Longer than any gap in a recording,
  /// which the recorder's own stops bound.
  private let patience: UInt64

  /// The machine's memory and CPU state are in place already. `watchdog` stops a guest that never comes back;
  /// `onOutput` gets the console text byte by byte.
  public init(
    engine: any Engine, memory: GuestMemory, cursor: TraceCursor, watchdog: any MachineClock,
    patience: UInt64 = 60_000_000_000, onOutput: @escaping (UInt8) -> Void
  ) {
    self.engine = engine
    self.memory = memory
    self.cursor = cursor
    self.watchdog = watchdog
    self.patience = patience
    self.onOutput = onOutput
    probe = StateProbe(engine: engine, memory: memory)
  }

  /// Replays to the end of the trace. Throws `Divergence`, `TraceError` or `EngineError`.
  public func run() throws -> ReplayOutcome {
    while let event = try cursor.next() {
      switch event {
      case .interaction(let expected, let answer): try replay(expected, answer)
      case .delivery(let delivery, let place): try replay(delivery, at: place)
      case .detail(let next): detail = next
      case .digest(let expected): try check(expected)
      case .end(let reason): return try finish(reason)
      }
    }
    return try finish(nil)
  }

  // MARK: interactions

  private func replay(_ expected: VCPUExit, _ answer: Answer) throws {
    let actual = try runGuest(.free)
    guard actual == expected else {
      guard actual.isInteraction else {
        throw try diverged(.unexpectedExit(expected: "\(expected)", actual: actual))
      }
      throw try diverged(.wrongInteraction(expected: expected, actual: actual))
    }
    switch answer {
    case .value(let value): engine.reply(value)
    case .fault: engine.replyFault()
    case .none: if case .msrWrite = actual { engine.acknowledge() }
    }
    output.fold(actual, answer)
    if let character = console.character(from: actual) { onOutput(character) }
    countEvent(.interaction(expected, answer))
  }

  private func countEvent(_ event: TraceEvent) {
    history.append(event, ordinal: events)
    events += 1
  }

  /// Enters the guest under the watchdog.
  private func runGuest(_ limit: RunLimit) throws -> VCPUExit {
    let deadline = watchdog.now() + patience
    let goal = engine.retiredInstructions.map { $0 &+ limit.instructionCount }
    var limit = limit
    while true {
      let slice = try watchdog.limit(until: deadline)
      let exit = try engine.run(limit.sliced(by: slice))
      if exit == .stopped, limit.isDone(goal, engine) { return exit }
      guard exit == .kicked || exit == .stopped else { return exit }
      guard watchdog.now() < deadline else { throw try diverged(.stuck(seconds: patience / 1_000_000_000)) }
      // Somebody else's kick: go on, where the count of instructions is not lost.
      switch limit {
      case .free: break
      case .until: return .stopped  // the caller looks at the state and goes on
      case .instructions:
        guard let goal, let retired = engine.retiredInstructions else {
          throw EngineError("a signal interrupted single-stepping: replay again")
        }
        if retired == goal { return .stopped }
        limit = .instructions(goal - retired)
      }
    }
  }

  // MARK: deliveries

  private func replay(_ delivery: Delivery, at place: Place) throws {
    try go(to: place)
    switch delivery {
    case .interrupt(let vector):
      guard try engine.settle(), try engine.isInterruptible() else { throw try diverged(.notInterruptible(delivery)) }
      try engine.inject(interrupt: vector)
    case .nmi:
      guard try engine.settle() else { throw try diverged(.notInterruptible(delivery)) }
      try engine.injectNMI()
    case .memoryWrite(let address, let bytes):
      guard try engine.settle(), memory.write(bytes, at: address) else {
        throw try diverged(.badMemoryWrite(address))
      }
    }
    countEvent(.delivery(delivery, at: place))
  }

  private func go(to place: Place) throws {
    switch place {
    case .instructions(0, iterations: 0): break
    case .instructions(let count, _):
      let exit = try runGuest(.instructions(count))
      guard exit == .stopped else {
        throw try diverged(.unexpectedExit(expected: "\(count) instructions after the last event", actual: exit))
      }
    case .fingerprint(let fingerprint): try find(fingerprint)
    }
  }

  /// Runs from one pass of the fingerprint's RIP to the next until the whole state is the recorded one.
  private func find(_ fingerprint: Fingerprint) throws {
    guard try engine.settle() else { throw try diverged(.notInterruptible(.nmi)) }
    while try !matches(fingerprint) {
      let exit = try runGuest(.until(rip: fingerprint.rip))
      guard exit == .stopped else {
        throw try diverged(
          .unexpectedExit(expected: "an interrupt at rip \(hex(fingerprint.rip)) with recorded registers", actual: exit)
        )
      }
    }
    checks += 1
    lastGood = position
  }

  private func matches(_ fingerprint: Fingerprint) throws -> Bool {
    let state = try engine.state()
    guard state.linearRIP == fingerprint.rip, state.digest == fingerprint.cpu else { return false }
    return try probe.memoryNow() == fingerprint.memory
  }

  // MARK: checks and the end

  private func check(_ expected: StateDigest) throws {
    guard try engine.settle() else {
      throw try diverged(.unexpectedExit(expected: "a state digest", actual: .stopped))
    }
    let state = try engine.state()
    var actual = try probe.digest(of: state, output: output.value)
    if expected.instructions == 0 || engine.retiredInstructions == nil { actual.instructions = expected.instructions }
    guard actual == expected else {
      var divergence = try diverged(.wrongState(expected: expected, actual: actual))
      explain(&divergence, state)
      throw divergence
    }
    probe.forgetTouched()
    detail = nil
    checks += 1
    lastGood = position
  }

  /// Names the registers and the memory that are not as recorded.
  private func explain(_ divergence: inout Divergence, _ state: CPUState) {
    guard let detail else { return }
    var recorded = CPUState()
    for (field, word) in zip(CPUState.fields, detail.words) { field.set(&recorded, word) }
    divergence.registers = state.differences(from: recorded).map {
      RegisterDifference(name: $0.name, expected: $0.expected, actual: $0.actual)
    }
    divergence.pages = Array(probe.differences(from: detail).prefix(32))
  }

  private func finish(_ end: EndReason?) throws -> ReplayOutcome {
    if end == .shutdown {
      let exit = try runGuest(.free)
      guard exit == .shutdown else { throw try diverged(.unexpectedExit(expected: "a triple fault", actual: exit)) }
    }
    // A trace that breaks off can end between the units of a REP: the engine then finishes none of it.
    let settled = try engine.settle()
    let state = settled || end == .shutdown ? try engine.state() : CPUState()
    let final = try probe.digest(of: state, output: output.value)
    return ReplayOutcome(end: end, events: events, checks: checks, position: position, final: final, state: state)
  }

  var position: Position { Position(ordinal: events) }

  private func diverged(_ kind: Divergence.Kind) throws -> Divergence {
    let state = try engine.settle() ? try engine.state() : nil
    var divergence = Divergence(kind: kind, position: position, lastGood: lastGood, state: state)
    divergence.before = history.lines
    return divergence
  }
}

extension RunLimit {
  /// At most as many instructions as a slice of them; kept as it is when the slice is not counted.
  fileprivate func sliced(by slice: RunLimit) -> RunLimit {
    guard case .instructions(let count) = slice else { return self }
    switch self {
    case .free: return slice
    case .instructions(let wanted): return .instructions(min(wanted, count))
    case .until: return self
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
