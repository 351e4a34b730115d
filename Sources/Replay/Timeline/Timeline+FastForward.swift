internal import GuestMemory
internal import KVM
internal import Trace
internal import VMMCore
internal import X86

// Getting near a place on the host's CPU. The software engine stays the judge: it takes over right behind an event, and
// when it runs through the same part later it must come to the same state there.
extension Timeline {
  /// Brings the machine ahead, when there is a long way to go, over events that nobody has been at. It then stands at a
  /// new checkpoint before the goal, or where it stood. `.interrupted` when asked to stop.
  func goFastForward(to goal: TimelineMachine.Goal, _ control: any TimelineControl) throws -> TimelineStop? {
    let events = min(goal.events, eventCount)
    guard let fastForward, fastForward.isDue(at: moment.instructions), try mayFastForward(to: events),
      let runner = fastForward.begin(initial, memory)
    else { return nil }
    endFootprint()
    var last = try takeCheckpoint()
    let start = last.moment
    var stop: TimelineStop?
    do {
      try runner.takeOver(last.state)
      machine.core.engine = runner.engine
      let session = ReplaySession(
        machine.core, watchdog: runner.clock, limits: fastForward.limits(runner.clock, control))
      try replayAhead(session, to: events, runner.clock, fastForward, &last)
      if last.moment == start { fastForward.failed() } else { fastForward.succeeded() }
    } catch is FastForward.Interrupted {
      stop = .interrupted
    } catch {
      // Whether there is something wrong with the recording, the software engine will tell.
      fastForward.failed()
    }
    try handBack(runner, fastForward, at: last)
    fastForward.softwareRuns(from: moment.instructions)
    return stop
  }

  /// Nothing is looked for, nobody has been further, and the next event can be reached from here.
  private func mayFastForward(to events: UInt64) throws -> Bool {
    guard machine.isUnarmed, moment >= frontier, machine.core.progress.events < events, machine.isAtInstruction,
      machine.epochs.all.count < Epochs.maximumCount
    else { return false }
    switch try machine.core.progress.cursor.peek() {
    // Its instructions are counted from the last event.
    case .delivery(_, at: .instructions): return machine.core.instructions == 0
    case .interaction, .delivery: return true
    case .digest, .detail, .mark, .end, nil: return false
    }
  }

  /// How many events before the goal a place for a checkpoint is looked for: the very last may be none.
  private static let approachEvents: UInt64 = 64

  /// Replays up to an event, and leaves checkpoints behind. The last one is in `last`.
  private func replayAhead(
    _ session: ReplaySession, to events: UInt64, _ clock: any MachineClock, _ fastForward: FastForward,
    _ last: inout Checkpoint
  ) throws {
    let core = machine.core
    var due = clock.now() + fastForward.nextInterval
    var isApproaching = false
    var isAtInteraction = false
    var count: StateDigest?
    while let event = try core.progress.cursor.peek() {
      switch event {
      case .mark, .end: return
      case .interaction, .delivery: if core.progress.events >= events { return }
      case .digest, .detail: break
      }
      _ = try core.progress.cursor.next()
      try session.carryOut(event)
      switch event {
      case .interaction: (isAtInteraction, count) = (true, nil)
      case .delivery: (isAtInteraction, count) = (false, nil)
      case .digest(let digest): count = digest
      case .detail, .mark, .end: break
      }
      guard isAtInteraction, try core.isBehindDigests else { continue }
      let isClose = core.progress.events + Timeline.approachEvents >= events && !isApproaching
      guard isClose || core.progress.events == events || clock.now() >= due else { continue }
      guard let checkpoint = try checkpointAhead(session.engine, count) else { continue }
      last = checkpoint
      isApproaching = isClose || isApproaching
      due = clock.now() + fastForward.nextInterval
    }
  }

  /// A checkpoint where this engine stands, as the software engine would take one there; `nil` where it could not go
  /// on from it.
  private func checkpointAhead(_ engine: any Engine, _ count: StateDigest?) throws -> Checkpoint? {
    guard machine.epochs.all.count < Epochs.maximumCount, try engine.settle() else { return nil }
    let state = try engine.state()
    guard isPlain(state) else { return nil }
    let core = machine.core
    let digest = try core.probe.digest(of: state, output: core.progress.output.value)
    let start = machine.epochs.begin(events: core.progress.events, digest: digest)
    if let count { machine.epochs.learn(count, at: start) }
    core.progress.retiredAtEvent = start
    core.progress.iterationsAtEvent = 0
    base = base.updated(pages: changed.takeAll(), from: memory, pool: pool)
    let checkpoint = Checkpoint(
      moment: Moment(instructions: start, events: core.progress.events), state: state, iterations: 0,
      progress: core.progress, image: base)
    frontier = checkpoint.moment
    store.insert(checkpoint)
    thinCheckpoints(around: checkpoint.moment)
    return checkpoint
  }

  /// Nothing is under way that the two engines do in steps of their own.
  private func isPlain(_ state: CPUState) -> Bool {
    let trapFlag: UInt64 = 1 << 8
    guard state.pendingEvent == nil, !state.nmiPending, state.interruptShadow == 0, state.rflags & trapFlag == 0 else {
      return false
    }
    let code = LinearMemory(state.paging, memory).read(state.linearRIP, count: 15)
    return repeatedStringLength(code, is64Bit: state.is64Bit) == nil
  }

  /// The software engine takes over at a checkpoint.
  private func handBack(_ runner: FastForward.Runner, _ fastForward: FastForward, at checkpoint: Checkpoint) throws {
    // Where it is not known what was written, everything is taken for written.
    if (try? runner.leave()) == nil { noteChanged(Array(0..<memory.pageCount)) }
    machine.core.engine = machine.engine
    machine.core.progress = checkpoint.progress
    try collectChanges()
    machine.engine.memoryChanged(pages: fastForward.takeWritten())
    try goBack(to: checkpoint)
  }
}

extension ReplayCore {
  /// No digest stands between here and the next event, or the end.
  fileprivate var isBehindDigests: Bool {
    get throws {
      switch try progress.cursor.peek() {
      case .digest, .detail: false
      default: true
      }
    }
  }
}
