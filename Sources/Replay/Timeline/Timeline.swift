public import GuestMemory
public import Machine
public import Trace
public import VMMCore
internal import X86

/// What a timeline asks, and tells, while it moves.
public protocol TimelineControl: AnyObject {
  /// Asked every few milliseconds: stop soon.
  func shouldStop() -> Bool
  /// The machine has come to a breakpoint (its state is that of the place): the stop is wanted.
  func shouldReport(breakpointAt address: UInt64) -> Bool
  /// What `shouldReport` depends on at an address, beside the machine's state: as long as it is the same, so is the
  /// answer at the same place. `nil` where that cannot be promised.
  func condition(at address: UInt64) -> [UInt8]?
}

extension TimelineControl {
  public func condition(at address: UInt64) -> [UInt8]? { nil }
}

/// How a timeline is to run, and what stops it.
public struct TimelineRequest: Sendable {
  public enum Mode: Sendable {
    /// One instruction, or the entry into the handler of an interrupt.
    case step
    case `continue`
    /// Steps while the next instruction's linear address is in the range.
    case range(Range<UInt64>)
  }
  public var mode: Mode
  /// Linear addresses.
  public var breakpoints: [UInt64]
  /// By address: where none of them holds, `TimelineControl.shouldReport` would say no and need not be asked.
  public var conditions: [UInt64: [StopCondition]]
  public var watches: [WatchRange]

  public init(
    _ mode: Mode, breakpoints: [UInt64] = [], conditions: [UInt64: [StopCondition]] = [:], watches: [WatchRange] = []
  ) {
    self.mode = mode
    self.breakpoints = breakpoints
    self.conditions = conditions
    self.watches = watches
  }
}

/// Which engine may bring a timeline near a place, where KVM took part in the recording.
public enum FastForwardChoice: Equatable, Sendable {
  /// None: the software engine goes all the way.
  case never
  /// One that runs on this host's CPU, if there is one.
  case whereItIsFast
  case with(EngineKind)
}

/// Why a timeline stopped.
public enum TimelineStop: Equatable, Sendable {
  case step
  case breakpoint
  case watch(WatchRange, address: UInt64)
  case begin
  case end
  case interrupted
}

/// A timeline would not do what it was asked; it stands where it stood.
public struct TimelineError: Error, Equatable, CustomStringConvertible {
  public var description: String
  init(_ description: String) { self.description = description }
}

/// A replay that can be moved in both directions: a machine that only runs forward, and checkpoints to start from.
///
/// All calls come from one thread. They throw `TimelineError` for what cannot be done, `Divergence` when the replay
/// leaves the recorded path, and `TraceError` for a damaged trace: the machine then stands at the path's last place.
public final class Timeline {
  public struct Options: Sendable {
    /// Bytes that the checkpoints' pages may take.
    public var checkpointMemory = 1 << 30
    /// Instructions between two checkpoints of a forward run.
    public var interval: UInt64 = 5_000_000
    /// Instructions of a stretch, for which what it touches is remembered.
    public var stretch: UInt64 = 5_000_000
    /// Stops in a part of the recording that a backward run goes through one by one, before it looks for a way that
    /// meets fewer.
    public var mostHits = 5000
    public var fastForward = FastForwardChoice.whereItIsFast
    /// Instructions that the software engine executes on the way to a place before another engine is tried.
    public var slowStart: UInt64 = 50_000_000
    /// Nanoseconds between two checkpoints that are left behind by that engine: the software engine takes some ten
    /// times as long for the way from one to the next.
    public var fastInterval: UInt64 = 40_000_000
    public init() {}
  }

  public let reader: TraceReader
  /// What the guest starts from: its images with their bytes.
  public let initial: InitialMachine
  /// What the recording says of its end.
  public let ending: TraceEnding
  /// Instructions from begin to end, as the recording says, or as they were counted here.
  public internal(set) var totalInstructions: UInt64?
  public let memory: GuestMemory

  let machine: TimelineMachine
  let options: Options
  let pool = PagePool()
  var store = CheckpointStore()
  /// What the parts that have been run through touched, and where the part began that is being run through.
  var stretches = ExploredStretches<Footprint>()
  var footprintStart: Moment?
  /// Where searches have found nothing.
  var searched = SearchedParts()
  /// What searches have seen of the pages that they watched.
  var searchedPages = SearchedPages()
  var knownHits: KnownHits?
  /// The furthest place that the machine has been at, but for the way it is on.
  var frontier = Moment.begin
  let fastForward: FastForward?
  /// The image that the memory differs from in no other pages than `changed`.
  var base: MemoryImage
  /// The pages that were written since `base`.
  var changed: PageSet
  /// The user's checkpoints.
  var kept: [(number: Int, note: String, checkpoint: Checkpoint)] = []
  var lastNumber = 0
  /// Where a diversion began.
  var diversion: Checkpoint?
  private let console = ConsoleText()

  /// Opens a trace and stands at its begin.
  public init(path: String, options: Options = Options()) throws {
    self.options = options
    reader = try TraceReader(path: path)
    try reader.checkModel(for: .software, recordedBy: .software)
    initial = try reader.initialMachine()
    ending = reader.ending
    totalInstructions = ending.instructions
    let prepared = try VirtualMachine(initial, kind: .software, cpuModel: reader.header.cpuModel)
    guard let engine = prepared.engine as? SoftwareEngine else { throw TimelineError("no software engine") }
    memory = prepared.memory
    let placed = memory.dirtyPages
    base = MemoryImage(pageCount: memory.pageCount)
    changed = PageSet(pageCount: memory.pageCount)
    fastForward = FastForward(reader.header, options)
    let console = console
    machine = try TimelineMachine(engine: engine, memory: memory, cursor: reader.makeCursor()) { number, character in
      console.put(character, at: number)
    }
    machine.core.probe.onChange = { [unowned self] pages in noteChanged(pages) }
    // What was placed in memory has been taken for the digest already; the rest is zero.
    noteChanged(placed)
    store.insert(try takeCheckpoint())
  }

  func noteChanged(_ pages: [Int]) {
    for page in pages { changed.insert(page) }
    fastForward?.noteChanged(pages)
  }

  /// Events in the recording.
  public var eventCount: UInt64 { ending.events }

  // MARK: where it stands

  var moment: Moment { machine.moment }

  /// Instructions that the software engine has executed on all ways so far.
  public var executedInstructions: UInt64 { machine.executed }

  public var position: Position { diversion?.position ?? machine.core.position }
  /// Instructions retired since the begin; `nil` where an engine that does not count has been on the way, and nobody
  /// has counted its part.
  public var instructions: UInt64? { machine.epochs.count(upTo: moment.instructions) }
  /// The console text that the guest has printed so far.
  public var consoleText: [UInt8] { Array(console.text.prefix(machine.core.progress.consoleCount)) }

  public func state() throws -> CPUState { try machine.state() }

  /// Up to `count` bytes at a linear address, through the guest's page tables, as far as they can be read.
  public func read(linear address: UInt64, count: Int) -> [UInt8] {
    guard let state = try? machine.state() else { return [] }
    return LinearMemory(state.paging, memory).read(address, count: count)
  }

  /// The same through the page tables of an address space, whichever the machine is in.
  public func read(linear address: UInt64, count: Int, in space: AddressSpace) -> [UInt8] {
    view(of: space)?.read(address, count: count) ?? []
  }

  /// The tables of an address space on the way to an address, as far as there are any, are for user mode: the address
  /// is a process's own.
  public func isUserMemory(at address: UInt64, in space: AddressSpace) -> Bool {
    view(of: space)?.isForUserMode(address) ?? false
  }

  private func view(of space: AddressSpace) -> LinearMemory? {
    guard var state = try? machine.state() else { return nil }
    state.cr3 = space.root
    return LinearMemory(state.paging, memory)
  }

  /// The machine is in an address space, as far as an address goes.
  public func isIn(_ space: AddressSpace, for address: UInt64) -> Bool { machine.engine.isIn(space, for: address) }

  /// Up to `count` bytes of guest-physical memory, as far as they are RAM.
  public func read(physical address: GuestPhysicalAddress, count: Int) -> [UInt8] {
    guard let region = memory.region(holding: address), count > 0 else { return [] }
    let available = region.end.rawValue - address.rawValue
    return memory.read(address, count: Int(min(UInt64(count), available))) ?? []
  }

  // MARK: forward

  /// Runs forward until something that is asked for happens, or the recording is over.
  public func forward(_ request: TimelineRequest, control: any TimelineControl) throws -> TimelineStop {
    guard diversion == nil else { return try divert(request, control) }
    return try onThePath { try run(request, control) }
  }

  private func run(_ request: TimelineRequest, _ control: any TimelineControl) throws -> TimelineStop {
    machine.arm(request)
    switch request.mode {
    case .step: return try step(control)
    case .continue: return try run(to: .end, control)
    case .range(let range):
      repeat {
        let stop = try step(control)
        guard stop == .step else { return stop }
        if try machine.breakpointHere() != nil, accepts(control) { return .breakpoint }
        if control.shouldStop() { return .interrupted }
      } while range.contains(machine.engine.linearRIP)
      return .step
    }
  }

  private func accepts(_ control: any TimelineControl) -> Bool {
    control.shouldReport(breakpointAt: machine.engine.linearRIP)
  }

  /// One step. A breakpoint at its end is not looked for.
  private func step(_ control: any TimelineControl) throws -> TimelineStop {
    while true {
      switch try machine.advance(to: nextStep, shouldStop: { control.shouldStop() }) {
      case .goal, .delivered, .breakpoint: return .step
      case .watch(let range, let address): return .watch(range, address: address)
      case .end: return try atEnd()
      case .interrupted: return .interrupted
      }
    }
  }

  var nextStep: TimelineMachine.Goal {
    .init(instructions: moment.instructions &+ 1, stopsAtDelivery: true)
  }

  /// Runs to a goal, leaving checkpoints behind. `.step` when it is reached.
  func run(to goal: TimelineMachine.Goal, _ control: any TimelineControl) throws -> TimelineStop {
    fastForward?.softwareRuns(from: moment.instructions)
    while true {
      if try goFastForward(to: goal, control) == .interrupted { return .interrupted }
      let next = min(dueFootprint(), try dueCheckpoint())
      var partial = goal
      if next < goal.instructions { partial = .init(instructions: next) }
      switch try machine.advance(to: partial, shouldStop: { control.shouldStop() }) {
      case .goal, .delivered:
        if partial.instructions == goal.instructions { return .step }
      case .breakpoint: if accepts(control) { return .breakpoint }
      case .watch(let range, let address): return .watch(range, address: address)
      case .end: return try atEnd()
      case .interrupted: return .interrupted
      }
    }
  }

  private func atEnd() throws -> TimelineStop {
    totalInstructions = instructions ?? totalInstructions
    return .end
  }

  /// Takes the checkpoint that is due here, if one is; the instruction count where the next one will be.
  private func dueCheckpoint() throws -> UInt64 {
    let here = moment
    guard let last = store.last(upTo: here) else { return here.instructions &+ options.interval }
    let since = here.instructions &- last.moment.instructions
    guard since >= options.interval, machine.isAtInstruction else {
      return here.instructions &+ max(1, options.interval &- min(since, options.interval))
    }
    try leaveCheckpoint()
    return here.instructions &+ options.interval
  }
}

/// What the guest has printed, as far as any run of the replay has come.
private final class ConsoleText {
  private(set) var text: [UInt8] = []
  func put(_ character: UInt8, at number: Int) {
    if number == text.count { text.append(character) }
  }
}
