internal import GuestMemory
internal import Trace
public import VMMCore
internal import X86

/// Why the machine of a timeline stopped.
enum MachineStop: Equatable {
  /// The goal is reached.
  case goal
  /// The first instruction of a handler is next: an interrupt has just been delivered (only where it was asked for).
  case delivered
  /// The next instruction has a breakpoint.
  case breakpoint(UInt64)
  /// The last instruction, or delivery, accessed watched bytes.
  case watch(WatchRange, address: UInt64)
  /// The recording is over.
  case end
  /// `shouldStop` said so.
  case interrupted
}

/// Bytes that are watched, by linear address, in one address space or in all.
public struct WatchRange: Hashable, Sendable {
  public enum Kind: Hashable, Sendable { case write, read, access }
  public var kind: Kind
  public var first: UInt64
  /// At least `first`.
  public var last: UInt64
  /// `nil` for all.
  public var space: AddressSpace?

  public init(_ kind: Kind, first: UInt64, last: UInt64, in space: AddressSpace? = nil) {
    self.kind = kind
    self.first = first
    self.last = last
    self.space = space
  }
}

/// The replayed machine that a timeline moves: the software engine, which can stop anywhere exactly, and the trace,
/// which it follows without being asked.
final class TimelineMachine {
  let engine: SoftwareEngine
  let memory: GuestMemory
  let core: ReplayCore
  /// How instructions are numbered.
  var epochs = Epochs()
  /// Places of fingerprints that have been found once: instructions after the event before them, by ordinal.
  private var foundPlaces: [UInt64: UInt64] = [:]

  private(set) var breakpoints: Set<UInt64> = []
  private var conditions: [UInt64: [StopCondition]] = [:]
  private(set) var watches: [WatchRange] = []
  /// Where the fingerprint that comes next may be.
  private var fingerprintAddress: UInt64?
  /// The last place where breakpoints have been looked for.
  private var lookedAt: Place?
  /// The first watched access of the REP instruction that is under way. It stops the machine once, where the
  /// instruction ends or is interrupted.
  private var hitInRepeat: MachineStop?
  /// Interrupts and exceptions delivered at an event: they move the CPU without an instruction.
  private var entries: UInt64 = 0

  private struct Place: Equatable {
    var instructions: UInt64
    var entries: UInt64
  }

  /// Instructions executed so far, in all directions.
  private(set) var executed: UInt64 = 0
  /// Work since the last look at `shouldStop`, in instructions.
  private var unpolled: UInt64 = 0
  /// What an event costs, in instructions.
  private static let eventWork: UInt64 = 1000
  /// Instructions between two looks at `shouldStop`: some milliseconds.
  private let slice: UInt64 = 400_000

  init(engine: SoftwareEngine, memory: GuestMemory, cursor: TraceCursor, onOutput: @escaping (Int, UInt8) -> Void)
    throws
  {
    self.engine = engine
    self.memory = memory
    core = ReplayCore(engine: engine, memory: memory, cursor: cursor, onOutput: onOutput)
    core.countInstructions = { [unowned self] in
      core.engine === engine ? epochs.count(upTo: engine.retiredInstructions ?? 0) : nil
    }
    try completeEvent()
  }

  var moment: Moment {
    Moment(
      instructions: engine.retiredInstructions ?? 0, events: core.progress.events, iterations: core.iterations)
  }

  /// The state can be read, and taken up again later, here: between instructions, or between two iterations of a REP.
  var isBetweenInstructions: Bool { (try? engine.settle()) == true }

  /// Not inside a REP.
  var isAtInstruction: Bool { isBetweenInstructions && engine.iterationsUnderWay == 0 }

  // MARK: breakpoints and watchpoints

  /// What stops the machine from now on. A place where it stands already does not.
  func arm(_ request: TimelineRequest) {
    arm(breakpoints: request.breakpoints, conditions: request.conditions, watches: request.watches)
  }

  func arm(breakpoints: [UInt64], conditions: [UInt64: [StopCondition]] = [:], watches: [WatchRange]) {
    self.breakpoints = Set(breakpoints)
    self.conditions = conditions
    self.watches = watches
    lookedAt = place
    _ = engine.takeDebugStop()
    hitInRepeat = nil
    setEngineBreakpoints()
    engine.setWatches(watches.map { DebugWatch($0) })
  }

  /// Nothing but the goal stops it.
  var isUnarmed: Bool { breakpoints.isEmpty && watches.isEmpty }

  /// A breakpoint lies right here.
  func breakpointHere() throws -> UInt64? {
    guard !breakpoints.isEmpty, isAtInstruction else { return nil }
    let address = engine.linearRIP
    return breakpoints.contains(address) ? address : nil
  }

  private var place: Place { Place(instructions: engine.retiredInstructions ?? 0, entries: entries) }

  private func setEngineBreakpoints() {
    var all = breakpoints
    var deciding = conditions
    if let fingerprintAddress {
      all.insert(fingerprintAddress)
      deciding[fingerprintAddress] = nil
    }
    engine.setBreakpoints(all.sorted(), conditions: deciding)
  }

  private func expect(_ fingerprint: Fingerprint?) {
    let isAlone = fingerprint.map { !breakpoints.contains($0.rip) } ?? false
    engine.setStopFilter(isAlone ? fingerprint?.filter : nil)
    guard fingerprint?.rip != fingerprintAddress else { return }
    fingerprintAddress = fingerprint?.rip
    setEngineBreakpoints()
  }

  // MARK: moving

  /// How far to go: until so many instructions are retired, and so many events complete.
  struct Goal {
    var instructions: UInt64
    var events: UInt64 = 0
    /// Iterations of a REP instruction since the last event.
    var iterations: UInt64 = 0
    /// Stop where an interrupt has been delivered.
    var stopsAtDelivery = false

    static func moment(_ moment: Moment) -> Goal {
      Goal(instructions: moment.instructions, events: moment.events, iterations: moment.iterations)
    }
    static let end = Goal(instructions: .max, events: .max)

    func isReached(at now: Moment) -> Bool {
      guard now.instructions >= instructions, now.events >= events else { return false }
      return now.iterations >= iterations || now.instructions > instructions || now.events > events
    }
  }

  /// Runs forward along the recording. Throws `Divergence`, `TraceError` or `EngineError`.
  func advance(to goal: Goal, shouldStop: () -> Bool) throws -> MachineStop {
    while true {
      if let stop = try stopHere() { return stop }
      let now = moment
      if goal.isReached(at: now), isBetweenInstructions { return takeHitInRepeat() ?? .goal }
      let stop = try advance(stretch(from: now, to: goal))
      if let stop, stop != .delivered || goal.stopsAtDelivery { return takeWatchStop() ?? stop }
      unpolled &+= TimelineMachine.eventWork &+ (moment.instructions &- now.instructions)
      guard unpolled >= slice else { continue }
      unpolled = 0
      if shouldStop(), isBetweenInstructions { return .interrupted }
    }
  }

  /// How far to run at once.
  private func stretch(from now: Moment, to goal: Goal) -> Stretch {
    if isInWatchedRepeat { return .iterations(slice) }
    if now.instructions < goal.instructions { return .instructions(min(goal.instructions - now.instructions, slice)) }
    // A goal that asks for events needs none further of instructions.
    guard now.events >= goal.events, now.iterations < goal.iterations else { return .instructions(slice) }
    return .iterations(min(goal.iterations - now.iterations, slice))
  }

  private enum Stretch {
    case instructions(UInt64)
    /// Of the REP instruction at RIP; of any other instruction one.
    case iterations(UInt64)

    func atMost(_ count: UInt64) -> Stretch {
      guard case .instructions(let own) = self else { return self }
      return .instructions(min(own, count))
    }
  }

  /// A watchpoint that was hit on the way, a breakpoint at a place where the machine has come to since it was last
  /// looked for.
  func stopHere() throws -> MachineStop? {
    if let hit = takeWatchStop() { return hit }
    engine.noteFootprintHere()
    guard !breakpoints.isEmpty else { return nil }
    let place = place
    guard place != lookedAt, let address = try breakpointHere() else { return nil }
    lookedAt = place
    return .breakpoint(address)
  }

  /// Some way, or up to and with the next event.
  private func advance(_ stretch: Stretch) throws -> MachineStop? {
    switch try core.progress.cursor.peek() {
    case .interaction(let expected, let answer):
      guard let exit = try runEngine(stretch) else { return nil }
      try core.take(exit, expected: expected, answer)
      _ = try core.progress.cursor.next()
      try completeEvent()
      return nil
    case .delivery(let delivery, let place): return try advance(stretch, to: delivery, at: place)
    // These stand right behind an event, where `completeEvent` takes them.
    case .digest, .detail: throw try diverged(.unexpectedExit(expected: "an event", actual: .stopped))
    case .mark(let mark): return try advance(stretch, toTheEndAt: mark)
    case .end(.shutdown): return try advance(stretch, toShutdown: nil)
    case .end, nil: return .end
    }
  }

  /// The recording ends at a mark, or at the triple fault that it says where it comes.
  private func advance(_ stretch: Stretch, toTheEndAt mark: Mark) throws -> MachineStop? {
    var ahead = core.progress.cursor
    _ = try ahead.next()
    if case .end(.shutdown)? = try? ahead.peek() { return try advance(stretch, toShutdown: mark) }
    if case .underWay(let stop) = try approach(mark.place, stretch) { return stop }
    try core.check(mark)
    core.progress.cursor = ahead
    return nil
  }

  private func advance(_ stretch: Stretch, toShutdown mark: Mark?) throws -> MachineStop? {
    guard let exit = try runEngine(stretch) else { return nil }
    guard exit == .shutdown else { throw try diverged(.unexpectedExit(expected: "a triple fault", actual: exit)) }
    if let mark { try core.check(mark) }
    return .end
  }

  private func advance(_ stretch: Stretch, to delivery: Delivery, at place: Trace.Place) throws -> MachineStop? {
    if case .underWay(let stop) = try approach(place, stretch) { return stop }
    if let hit = takeHitInRepeat() { return hit }
    try core.carryOut(delivery, at: place)
    _ = try core.progress.cursor.next()
    let before = entries
    try completeEvent()
    return entries == before ? nil : .delivered
  }

  private enum Approach {
    case arrived
    /// Some way on, and maybe what stopped the machine there.
    case underWay(MachineStop?)
  }

  /// Some way towards a place, counted from the last event.
  private func approach(_ place: Trace.Place, _ stretch: Stretch) throws -> Approach {
    let since = core.instructions
    switch place {
    case .instructions(let wanted, let iterations):
      if since < wanted {
        return .underWay(try approach(stretch.atMost(wanted - since), "\(wanted) instructions after the last event"))
      }
      if core.iterations < iterations { return .underWay(try approach(iterations: iterations, stretch)) }
    case .fingerprint(let fingerprint):
      if let wanted = foundPlaces[core.progress.events] {
        if since < wanted {
          return .underWay(try approach(stretch.atMost(wanted - since), "the place of an interrupt"))
        }
      } else {
        guard try core.matches(fingerprint) else {
          expect(fingerprint)
          return .underWay(
            try approach(stretch, "an interrupt at rip \(hex(fingerprint.rip)) with recorded registers"))
        }
        foundPlaces[core.progress.events] = since
        core.checkHeld()
      }
      expect(nil)
    }
    return .arrived
  }

  /// Runs towards a place: nothing else may come up.
  private func approach(_ stretch: Stretch, _ what: String) throws -> MachineStop? {
    if let exit = try runEngine(stretch) { throw try diverged(.unexpectedExit(expected: what, actual: exit)) }
    return nil
  }

  /// The same for a delivery inside the REP instruction at RIP.
  private func approach(iterations wanted: UInt64, _ stretch: Stretch) throws -> MachineStop? {
    var count = min(wanted - core.iterations, slice)
    if case .iterations(let most) = stretch { count = min(count, most) }
    let retired = engine.retiredInstructions
    let what = "an interrupt after \(wanted) iterations of a REP instruction"
    let stop = try approach(.iterations(count), what)
    guard engine.retiredInstructions == retired else {
      throw try diverged(.unexpectedExit(expected: what, actual: .stopped))
    }
    return stop
  }

  /// Enters the guest; `nil` when it was stopped by the count or for a debugger.
  private func runEngine(_ stretch: Stretch) throws -> VCPUExit? {
    let start = engine.retiredInstructions ?? 0
    defer { executed &+= (engine.retiredInstructions ?? 0) &- start }
    let exit =
      switch stretch {
      case .instructions(let count): try engine.run(.instructions(count))
      case .iterations(let count): try engine.runIterations(count)
      }
    switch exit {
    case .stopped, .kicked: return nil
    default: return exit
    }
  }

  /// A REP instruction is under way that has accessed watched bytes.
  var isInWatchedRepeat: Bool { hitInRepeat != nil }

  /// A watched access, where the instruction that made it has ended.
  private func takeWatchStop() -> MachineStop? {
    let hit = takeWatchHit()
    hitInRepeat = hitInRepeat ?? hit
    return engine.iterationsUnderWay == 0 ? takeHitInRepeat() : nil
  }

  private func takeHitInRepeat() -> MachineStop? {
    defer { hitInRepeat = nil }
    return hitInRepeat
  }

  /// The watched access since the last look: of an instruction, or of the CPU that entered a handler.
  private func takeWatchHit() -> MachineStop? {
    guard case .watch(let address, let count, let write)? = engine.takeDebugStop() else { return nil }
    let last = address &+ (count &- 1)
    for range in watches where address <= range.last && last >= range.first {
      if range.kind == .access || (range.kind == .write) == write, engine.isIn(range.space, for: address) {
        return .watch(range, address: max(address, range.first))
      }
    }
    return nil
  }

  /// Right behind an event: compares the digests that were taken here, then lets the CPU enter the handler of what was
  /// delivered, so that the place has the state that a user expects.
  private func completeEvent() throws {
    while let event = try core.progress.cursor.peek() {
      if case .detail(let detail) = event {
        core.progress.detail = detail
      } else if case .digest(let digest) = event {
        try core.check(digest)
        epochs.learn(digest, at: engine.retiredInstructions ?? 0)
      } else {
        break
      }
      _ = try core.progress.cursor.next()
    }
    try crossIntoNextEpoch()
    // Another delivery right here sees the state before the entry.
    if case .delivery(_, at: .here)? = try core.progress.cursor.peek() { return }
    if engine.deliverPendingEvent() { entries &+= 1 }
  }

  /// Where an epoch begins right here, that is where KVM has come to, the same state must have been reached, and its
  /// numbers hold from here on.
  private func crossIntoNextEpoch() throws {
    let number = engine.retiredInstructions ?? 0
    guard let next = epochs.next(after: number), next.events == core.progress.events else { return }
    if let digest = next.digest { try core.check(digest, isRecorded: false) }
    epochs.learn(end: number)
    engine.setRetiredInstructions(next.start)
    core.progress.retiredAtEvent = next.start
  }

  func diverged(_ kind: Divergence.Kind) throws -> Divergence {
    var divergence = try core.diverged(kind)
    divergence.position = core.position
    return divergence
  }

  // MARK: going back

  /// The machine as it is; only where `isBetweenInstructions`.
  func state() throws -> CPUState { try engine.state() }

  /// Takes up a state whose memory is in place already; `changed` are the pages that differ from before.
  func restore(_ checkpoint: Checkpoint, changed: [Int]) {
    engine.setState(checkpoint.state, changed: changed)
    engine.setRetiredInstructions(checkpoint.moment.instructions)
    engine.iterationsUnderWay = checkpoint.iterations
    core.progress = checkpoint.progress
    core.probe.note(changed)
    expect(nil)
    hitInRepeat = nil
    lookedAt = place
  }
}

extension DebugWatch {
  fileprivate init(_ range: WatchRange) {
    let kind: Kind =
      switch range.kind {
      case .write: .write
      case .read: .read
      case .access: .access
      }
    self.init(address: range.first, count: range.last &- range.first &+ 1, kind: kind, space: range.space)
  }
}
