internal import KVM
public import Machine
public import Trace
internal import VMMCore

/// Replays one trace file, as often as asked, each time on a fresh machine.
public final class TraceReplayer {
  public let reader: TraceReader
  /// The engine that replays; after a replay, the one that carried it to its end.
  public private(set) var kind: EngineKind
  /// Asked every now and then while a replay goes on: ends it, as `ReplayInterrupted`.
  public var shouldStop: (() -> Bool)?
  /// How many events the last replay got through before it ended or failed.
  public private(set) var replayedEvents: UInt64 = 0
  private let initial: InitialMachine
  private let recorded: EngineKind
  /// The engine was left to us.
  private let isChosen: Bool
  /// Why another engine took over.
  private var takeOver: String?

  /// - Parameter engine: `nil` for the engine that recorded.
  /// Throws `TraceError` for a file that cannot be replayed, `EngineError` for an engine that cannot replay it.
  public init(path: String, engine: EngineKind?) throws {
    reader = try TraceReader(path: path)
    guard let recorded = EngineKind(rawValue: reader.header.engine) ?? engine else {
      throw TraceError(
        .unsupported, "\(path) was recorded by an unknown engine, \(reader.header.engine): give --engine")
    }
    self.recorded = recorded
    isChosen = engine == nil
    kind = TraceReplayer.kind(asked: engine, recorded: recorded, reader)
    initial = try reader.initialMachine()
    try reader.checkClaims()
    try reader.checkModel(for: kind, recordedBy: recorded)
    try reader.checkFitness(for: kind, recordedBy: recorded, initial)
  }

  /// The software engine runs everywhere, and finds every place of the others' recordings: it replays, too, what KVM
  /// recorded where KVM emulates kernel mode, which is slower. A recording of both engines needs both where KVM alone
  /// is asked for and does not do.
  private static func kind(asked: EngineKind?, recorded: EngineKind, _ reader: TraceReader) -> EngineKind {
    switch asked {
    case nil where recorded == .kvm && !reader.missingFeatures(for: .kvm).isEmpty: .software
    case nil where recorded == .kvm && !HostFitness.runsUserSpace && reader.missingFeatures(for: .software).isEmpty:
      .software
    case nil: recorded.isOffered && reader.isOfThisCPU(recorded) ? recorded : .software
    case .kvm where recorded == .hybrid && EngineKind.hybrid.isOffered: .hybrid
    case .some(let kind): kind
    }
  }

  /// Replays from the begin to the end. Where KVM does not get on, the software engine takes over, from the begin;
  /// where we have chosen the software engine and it diverges, the recorder's engine has the last word.
  /// - Parameter onRecord: gets every record, with its place counted where the engine counts.
  public func replay(
    onRecord: ((TraceEvent) throws -> Void)? = nil, onOutput: @escaping (UInt8) -> Void
  ) throws -> ReplayOutcome {
    // What has been printed is not printed again.
    var printed = 0
    func attempt(_ limits: ReplayLimits = ReplayLimits()) throws -> ReplayOutcome {
      var count = 0
      return try replayOnce(limits, onRecord) { character in
        count += 1
        guard count > printed else { return }
        printed = count
        onOutput(character)
      }
    }
    do {
      return try attempt()
    } catch let stall as ReplayStall {
      guard reader.missingFeatures(for: .software).isEmpty else { throw stalled(stall) }
      takeOver =
        "\(kind.rawValue) had not come to event \(stall.event) after \(stall.work / 1_000_000_000) s, more than "
        + "\(ReplayLimits().factor) times as long as recording it took: replayed by the software engine"
      kind = .software
      return try attempt()
    } catch let error as EngineError {
      guard isChosen, kind != .software, reader.missingFeatures(for: .software).isEmpty else { throw error }
      takeOver = "\(error): replayed by the software engine"
      kind = .software
      return try attempt()
    } catch let divergence as Divergence {
      // What instructions were counted KVM cannot say.
      guard isChosen, kind == .software, recorded == .kvm, recorded.isOffered, onRecord == nil,
        reader.missingFeatures(for: .kvm).isEmpty, !divergence.isOfCounts
      else { throw divergence }
      takeOver = "the software engine does not follow it (\(divergence.kind)): replayed by KVM"
      kind = .kvm
      do { return try attempt(.ofSecondOpinion) } catch {
        if error is Divergence || error is ReplayInterrupted { throw error }
        // No opinion.
        (takeOver, kind) = (nil, .software)
        throw divergence
      }
    }
  }

  private func stalled(_ stall: ReplayStall) -> EngineError {
    EngineError(
      "\(kind.rawValue) has not come to event \(stall.event) after \(stall.work / 1_000_000_000) s of work: it hangs, "
        + "or is too slow to tell; use --engine software")
  }

  private func replayOnce(
    _ limits: ReplayLimits, _ onRecord: ((TraceEvent) throws -> Void)?, onOutput: @escaping (UInt8) -> Void
  ) throws -> ReplayOutcome {
    let machine = try VirtualMachine(initial, kind: kind, cpuModel: reader.header.cpuModel)
    try checkFirstState(of: machine.engine)
    let watchdog = HostClock(stopping: machine.engine)
    var limits = limits
    var events: () -> UInt64 = { 0 }
    if let shouldStop {
      limits.poll = { if shouldStop() { throw ReplayInterrupted(events: events()) } }
    }
    let session = ReplaySession(
      engine: machine.engine, memory: machine.memory, cursor: reader.makeCursor(), watchdog: watchdog,
      limits: limits, onOutput: onOutput)
    events = { [unowned session] in session.events }
    session.onRecord = onRecord
    defer { replayedEvents = session.events }
    do {
      let outcome = try session.run()
      try reader.checkEnding(events: outcome.events, end: outcome.end)
      return outcome
    } catch var divergence as Divergence {
      divergence.advice = adviceOnOtherEngine
      throw divergence
    }
  }

  /// The guest begins as the trace says: KVM leaves out bits that no CPU has set, without a word.
  private func checkFirstState(of engine: any Engine) throws {
    let state = try engine.state()
    let differences = state.differences(from: initial.state, reader.header.stateRule)
    guard !differences.isEmpty else { return }
    var divergence = Divergence(kind: .wrongFirstState, position: .begin, lastGood: .begin, state: state)
    divergence.registers = differences.map {
      RegisterDifference(name: $0.name, expected: $0.expected, actual: $0.actual)
    }
    throw divergence
  }

  /// Replays on an engine that counts, and writes the same recording to a new trace in which every delivery has its
  /// exact count of instructions: such a trace replays without searching.
  public func resolve(to path: String) throws -> ReplayOutcome {
    precondition(kind == .software, "only the software engine counts")
    var header = reader.header
    header.producer += ", resolved"
    let writer = try TraceWriter(path: path, header: header, machine: initial, onlyWhole: true)
    // The records keep the times of the chunks that they come from.
    var source = reader.makeCursor()
    var last: TraceReader.EventChunk?
    func copy(_ event: TraceEvent) throws {
      _ = try source.next()
      if let last, last != source.chunk { try writer.flush(elapsed: last.elapsed) }
      last = source.chunk
      try writer.append(event)
    }
    let outcome = try replay(onRecord: copy, onOutput: { _ in })
    try writer.close(elapsed: reader.duration)
    return outcome
  }

  /// What a divergence on another engine than the recording's may come from.
  private var adviceOnOtherEngine: String? {
    guard recorded != kind else { return nil }
    if reader.header.stateRule == .first, recorded == .kvm, kind == .software {
      return "recorded on KVM by an older version, which left RIP on REP instructions that were done: use --engine kvm"
    }
    return
      "recorded by engine \(recorded.rawValue) for CPU model \(reader.header.cpuModel.name): a host that shows its "
      + "guests another CPU makes a difference; use --engine \(recorded.rawValue)"
  }

  /// What a user should know of the file, one line each.
  public var notes: [String] {
    var notes: [String] = []
    if let takeOver { notes.append("  \(takeOver)") }
    if !reader.isComplete, reader.damage == nil {
      notes.append("  \(reader.path) is incomplete: its recorder did not end in order; everything in it was replayed")
    }
    if kind == .software, reader.header.engine == EngineKind.kvm.rawValue, EngineKind.kvm.isOffered,
      case let missing = reader.missingFeatures(for: .kvm), !missing.isEmpty
    {
      let names = missing.map(\.name).joined(separator: ", ")
      notes.append("  replayed by the software engine: this host's KVM does not have \(names)")
    }
    let here = HostDescription.current()
    if reader.header.hostCPUID != 0, reader.header.hostCPUID != here.cpuidDigest {
      notes.append("  recorded on another CPU (\(reader.header.host)); this one is \(here.text)")
    }
    let recorded = reader.header.cpuModel.undefined
    if reader.header.engine != EngineKind.software.rawValue, kind != .software, recorded != .host {
      notes.append("  the recording CPU's undefined behaviour is another: use --engine software where it diverges")
    }
    if kind == .software, case let others = recorded.inimitable, !others.isEmpty {
      notes.append(
        "  what the recording CPU does otherwise than the software engine: \(others.joined(separator: "; "))")
    }
    return notes
  }

  /// One phrase on a replay that was exact.
  public func summary(of outcome: ReplayOutcome, repeats: UInt64) -> String {
    let end = outcome.end.map { "\($0)" } ?? "incomplete recording, known up to \(reader.ending.place)"
    let times = repeats == 1 ? "" : " (\(repeats) times, all alike)"
    return "\(outcome.events) events, \(outcome.checks) checks, end: \(end)\(times)"
  }
}
