internal import GuestMemory
internal import KVM
internal import Machine
internal import Trace
internal import VMMCore

/// The engine that brings a timeline near a place on the host's CPU: which, when it is worth to try, and the vCPU.
final class FastForward {
  /// A vCPU on the timeline's memory, and a clock that stops it.
  final class Runner {
    let engine: any Engine
    let clock: any MachineClock

    fileprivate init(
      _ kind: EngineKind, _ initial: InitialMachine, memory: GuestMemory, _ header: TraceHeader
    ) throws {
      engine = try VirtualMachine.makeEngine(kind, for: initial, memory: memory, cpuModel: header.cpuModel)
      engine.follow(header.stateRule)
      clock = HostClock(stopping: engine)
    }

    func takeOver(_ state: CPUState) throws {
      // What was derived from code and page tables may have changed since.
      try engine.prepareToRestore()
      try engine.setState(state)
    }

    /// All that the guest has written is in the memory's dirty set then.
    func leave() throws { try engine.prepareToRestore() }
  }

  /// The user wants the machine to stop.
  struct Interrupted: Error {}

  private let choice: FastForwardChoice
  private let recorded: EngineKind
  private let header: TraceHeader
  private let slowStart: UInt64
  private let interval: UInt64
  private var runner: Runner?
  /// There is no vCPU to be had.
  private var isBroken = false
  /// Attempts that did not come as far as they should have: the next ones wait longer.
  private var failures = 0
  /// Where the software engine began to run.
  private var softwareStart: UInt64 = 0
  private var checkpoints: UInt64 = 0
  /// What has been written on the way, while there is one.
  private var written: PageSet?

  /// `nil` where the software engine has to go all the way.
  init?(_ header: TraceHeader, _ options: Timeline.Options) {
    // A recording of the software engine delivers its interrupts where only that finds the place in no time.
    guard let recorded = EngineKind(rawValue: header.engine), recorded != .software,
      options.fastForward != .never, options.fastForward != .with(.software),
      // The host's CPU would leave other flags behind.
      header.cpuModel.undefined == .host
    else { return nil }
    choice = options.fastForward
    self.recorded = recorded
    self.header = header
    slowStart = options.slowStart
    interval = options.fastInterval
  }

  /// Hosts that do not run kernels with a user space emulate kernel mode, slower than the software engine does: there
  /// that engine keeps kernel mode, and only user mode runs on the CPU. Found out by probes: not before it is asked.
  private var kind: EngineKind {
    if case .with(let kind) = choice { return kind }
    return recorded == .kvm && HostFitness.hasKVM && HostFitness.runsUserSpace ? .kvm : .hybrid
  }

  // MARK: when

  /// The software engine runs, from an instruction of this number.
  func softwareRuns(from number: UInt64) { softwareStart = number }

  /// It has run long enough to an instruction of this number.
  func isDue(at number: UInt64) -> Bool {
    !isBroken && number &- softwareStart >= slowStart << UInt64(min(failures, 16))
  }

  func failed() { failures += 1 }
  func succeeded() { failures = max(0, failures - 1) }

  /// Nanoseconds until the next checkpoint: the more there are, the longer.
  var nextInterval: UInt64 {
    defer { checkpoints += 1 }
    return interval << min(checkpoints / 128, 16)
  }

  // MARK: the way

  /// The vCPU, made when it is first needed; `nil` where none can be had. From here on what is written is noted.
  func begin(_ initial: InitialMachine, _ memory: GuestMemory) -> Runner? {
    if runner == nil, case let kind = kind, kind.isOffered {
      runner = try? Runner(kind, initial, memory: memory, header)
    }
    isBroken = runner == nil
    if !isBroken { written = PageSet(pageCount: memory.pageCount) }
    return runner
  }

  func noteChanged(_ pages: [Int]) {
    for page in pages { written?.insert(page) }
  }

  /// The pages that were written on the way, which is over.
  func takeWritten() -> [Int] {
    defer { written = nil }
    return written?.takeAll() ?? []
  }

  /// Nanoseconds that the place of one fingerprint is looked for, and between two looks at whether to stop.
  private static let searchPatience: UInt64 = 50_000_000
  private static let pollInterval: UInt64 = 20_000_000

  /// It ends where finding a place would take long: the software engine finds it while it runs.
  func limits(_ clock: any MachineClock, _ control: any TimelineControl) -> ReplayLimits {
    var nextPoll = clock.now()
    return ReplayLimits(
      patience: FastForward.searchPatience, longestWalk: 64,
      poll: {
        guard clock.now() >= nextPoll else { return }
        nextPoll = clock.now() + FastForward.pollInterval
        if control.shouldStop() { throw Interrupted() }
      }, pollInterval: FastForward.pollInterval)
  }
}
