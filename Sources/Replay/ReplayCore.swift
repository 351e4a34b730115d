internal import GuestMemory
internal import Machine
internal import Trace
internal import VMMCore
internal import X86

/// How far a replay has come, apart from the machine itself: a value, so that a copy of it together with the machine's
/// state is a place to come back to.
struct ReplayProgress {
  var cursor: TraceCursor
  var output = OutputDigest()
  var console = ConsoleTap()
  /// Characters printed.
  var consoleCount = 0
  /// Events that are complete.
  var events: UInt64 = 0
  /// Nanoseconds from the begin of the recording to the last event that says so.
  var time: UInt64 = 0
  /// Instructions retired at the last event, from engines that count them.
  var retiredAtEvent: UInt64 = 0
  /// Iterations that a REP instruction under way had done at the last event.
  var iterationsAtEvent: UInt64 = 0
  /// Digests and fingerprints that held.
  var checks: UInt64 = 0
  var lastGood = Position.begin
  var history = EventHistory()
  /// What the next digest was made of.
  var detail: StateDetail?

  init(cursor: TraceCursor) { self.cursor = cursor }
}

/// What every replay does with the events of a trace, however it moves between them: answers interactions, carries out
/// deliveries, compares. Whoever owns it runs the engine to the places.
final class ReplayCore {
  /// The engine that runs the guest. Another one may take over, with the same memory, where the state has been handed
  /// to it.
  var engine: any Engine {
    didSet { probe.engine = engine }
  }
  let memory: GuestMemory
  let probe: StateProbe
  /// The rule of the trace's digests.
  private let rule: StateRule
  /// The host's CPU took part in the recording.
  private let isOfHostCPU: Bool
  var progress: ReplayProgress
  /// How many instructions were retired since the begin, as far as that is known: `nil` stands for the engine's count.
  var countInstructions: (() -> UInt64?)?
  /// Gets the console text: the number of the character, counted from the begin, and the character.
  private let onOutput: (Int, UInt8) -> Void

  /// The machine's memory and CPU state are in place already, and what was placed is in the memory's dirty set.
  init(engine: any Engine, memory: GuestMemory, cursor: TraceCursor, onOutput: @escaping (Int, UInt8) -> Void) {
    self.engine = engine
    self.memory = memory
    self.onOutput = onOutput
    progress = ReplayProgress(cursor: cursor)
    rule = cursor.reader.header.stateRule
    isOfHostCPU = cursor.reader.header.engine != EngineKind.software.rawValue
    engine.follow(rule)
    probe = StateProbe(engine: engine, memory: memory, rule: rule)
  }

  /// Where the replay stands: at the last event, and where the engine counts so far after it.
  var position: Position {
    Position(ordinal: progress.events, instructions: instructions, iterations: iterations)
  }

  /// Instructions since the last event, from engines that count them.
  var instructions: UInt64 { engine.retiredInstructions.map { $0 &- progress.retiredAtEvent } ?? 0 }

  /// Iterations of the REP instruction under way since the last event.
  var iterations: UInt64 {
    let all = engine.repeatIterations
    return instructions == 0 && all >= progress.iterationsAtEvent ? all - progress.iterationsAtEvent : all
  }

  // MARK: events

  /// The engine has come to an interaction (or stopped for another reason) where `expected` was recorded.
  func take(_ actual: VCPUExit, expected: VCPUExit, _ answer: Answer) throws {
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
    try engine.followTaskPriority(actual)
    progress.output.fold(actual, answer)
    if let character = progress.console.character(from: actual) {
      onOutput(progress.consoleCount, character)
      progress.consoleCount += 1
    }
    countEvent(.interaction(expected, answer))
  }

  /// The engine stands where this was delivered.
  func carryOut(_ delivery: Delivery, at place: Place) throws {
    guard try engine.settle() else { throw try diverged(.notInterruptible(delivery)) }
    switch delivery {
    case .interrupt(let vector):
      guard try engine.isInterruptible() else { throw try diverged(.notInterruptible(delivery)) }
      try engine.inject(interrupt: vector)
    case .nmi: try engine.injectNMI()
    case .memoryWrite(let address, let bytes):
      guard memory.write(bytes, at: address) else { throw try diverged(.badMemoryWrite(address)) }
    }
    if case .fingerprint(let fingerprint) = place, let time = fingerprint.time { progress.time = time }
    countEvent(.delivery(delivery, at: place))
  }

  private func countEvent(_ event: TraceEvent) {
    progress.history.append(event, ordinal: progress.events)
    progress.events += 1
    progress.retiredAtEvent = engine.retiredInstructions ?? 0
    progress.iterationsAtEvent = engine.repeatIterations
  }

  // MARK: checks

  /// A place that may be a fingerprint's.
  struct Candidate {
    var state: CPUState
    /// The memory's digest.
    var memory: UInt64
    /// Everything is the fingerprint's.
    var isIt: Bool
  }

  /// The whole state is the fingerprint's.
  func matches(_ fingerprint: Fingerprint) throws -> Bool { try candidate(for: fingerprint)?.isIt ?? false }

  /// Where RIP, and the word of memory that counts, are the fingerprint's. Engines that do not count look no further
  /// where other registers are not.
  func candidate(for fingerprint: Fingerprint) throws -> Candidate? {
    if let word = fingerprint.word, !memory.holds(word) { return nil }
    let state = try engine.state()
    guard state.linearRIP == fingerprint.rip else { return nil }
    let hasRegisters = state.placeDigest(rule) == fingerprint.cpu
    guard hasRegisters || engine.retiredInstructions != nil else { return nil }
    let memory = try probe.memoryNow()
    return Candidate(state: state, memory: memory, isIt: hasRegisters && memory == fingerprint.memory)
  }

  /// The guest has come to the recording's last mark: as many instructions come before it as the mark says.
  func check(_ mark: Mark) throws {
    let count = countInstructions.map { $0() } ?? engine.retiredInstructions
    guard let count, mark.instructions > 0 else { return }
    guard count == mark.instructions else {
      throw try diverged(.wrongCount(expected: mark.instructions, actual: count))
    }
  }

  func checkHeld() {
    progress.checks += 1
    progress.lastGood = Position(ordinal: progress.events)
  }

  /// Compares the state with a digest: a recorded one, or one that another engine has come to.
  func check(_ expected: StateDigest, isRecorded: Bool = true) throws {
    guard try engine.settle() else {
      throw try diverged(.unexpectedExit(expected: "a state digest", actual: .stopped))
    }
    let state = try engine.state()
    var actual = try probe.digest(of: state, output: progress.output.value)
    let count = countInstructions.map { $0() } ?? engine.retiredInstructions
    actual.instructions = expected.instructions == 0 ? 0 : count ?? expected.instructions
    guard actual == expected else {
      var divergence = try diverged(.wrongState(expected: expected, actual: actual))
      explain(&divergence, state)
      throw divergence
    }
    guard isRecorded else { return }
    try checkDetail(state)
    probe.forgetTouched()
    progress.detail = nil
    _ = engine.takeDoubts()
    checkHeld()
  }

  /// What a digest that held was made of is what the trace says.
  private func checkDetail(_ state: CPUState) throws {
    guard let detail = progress.detail else { return }
    let registers = differences(state, from: detail)
    let pages = probe.recordedDifferences(from: detail)
    guard registers.isEmpty, pages.isEmpty else {
      var divergence = try diverged(.wrongDetail)
      (divergence.registers, divergence.pages) = (registers, pages)
      throw divergence
    }
  }

  /// Names the registers and the memory that are not as recorded.
  private func explain(_ divergence: inout Divergence, _ state: CPUState) {
    guard let detail = progress.detail else { return }
    divergence.registers = differences(state, from: detail)
    divergence.pages = Array(probe.differences(from: detail).prefix(32))
  }

  private func differences(_ state: CPUState, from detail: StateDetail) -> [RegisterDifference] {
    var recorded = CPUState()
    for (field, word) in zip(CPUState.fields, detail.words) { field.set(&recorded, word) }
    return state.differences(from: recorded, rule).map {
      RegisterDifference(name: $0.name, expected: $0.expected, actual: $0.actual)
    }
  }

  func diverged(_ kind: Divergence.Kind) throws -> Divergence {
    let state = try engine.settle() ? try engine.state() : nil
    let position = Position(ordinal: progress.events)
    var divergence = Divergence(kind: kind, position: position, lastGood: progress.lastGood, state: state)
    divergence.before = progress.history.lines
    if isOfHostCPU { divergence.doubts = engine.takeDoubts() }
    return divergence
  }
}
