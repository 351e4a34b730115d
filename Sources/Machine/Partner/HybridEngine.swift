internal import GuestMemory
internal import KVM
internal import VMMCore
internal import X86

/// One vCPU on two engines, for hosts whose KVM runs user mode on the CPU itself and kernel mode badly or not at all:
/// the software engine executes kernel mode, the beginnings of user mode and every instruction that raises something;
/// long stretches of user mode run on the host's CPU.
///
/// The software engine holds the state; a stretch on the host takes user mode's part of it along and brings it back.
/// What user mode raises there (a system call, a fault, INT n) ends the stretch at the instruction that raised it,
/// which the software engine then executes. So the host's peculiarities with SYSCALL, INT n and IRET never show, and
/// where the engines change places is not part of the run: a recording replays on either, or on the software engine
/// alone.
///
/// Instructions are counted while no stretch is on the host. `.instructions` and `.until` never leave the software
/// engine.
final class HybridEngine: Engine, DeadlineEngine {
  let name = EngineKind.hybrid.rawValue
  let memory: GuestMemory

  private let software: SoftwareEngine
  private let host: HostStretch
  private var policy = StretchPolicy()
  /// An interaction of a stretch on the host is not complete.
  private var isOnHost = false
  /// The last run ended by a kick that found user mode on the host.
  private var wasKickedOnHost = false
  private(set) var instructionsOfLastRun: UInt64?

  /// Instructions between two looks at the clock, and at whether the host should take over.
  var slice: UInt64 = 25_000
  /// The same where nothing but the clock is looked at.
  private let searchSlice: UInt64 = 1_000_000

  init(memory: GuestMemory, cpuModel: CPUModel) throws(EngineError) {
    self.memory = memory
    software = SoftwareEngine(memory: memory, cpuModel: cpuModel)
    host = try HostStretch(memory: memory, cpuModel: cpuModel)
  }

  func takeDoubts() -> [UndefinedDoubt] { software.takeDoubts() }
  var translation: TranslationStatistics? { software.translation }
  func measureTranslation(by clock: @escaping () -> UInt64) { software.measureTranslation(by: clock) }

  /// Stretches of user mode that ran on the host's CPU.
  private(set) var stretches: UInt64 = 0

  // MARK: running

  func run(_ limit: RunLimit) throws(EngineError) -> VCPUExit {
    wasKickedOnHost = false
    if isOnHost {
      instructionsOfLastRun = nil
      if let exit = try host.nextPiece() { return exit }
      try comeBack()
    }
    let start = software.retiredInstructions ?? 0
    instructionsOfLastRun = nil
    let stretchesBefore = stretches
    let exit =
      switch limit {
      case .free: try runFreely()
      case .instructions(let count): try runCounted(count)
      case .until(let rip, let within): try runUntil(rip, within)
      }
    if stretches == stretchesBefore { instructionsOfLastRun = (software.retiredInstructions ?? 0) &- start }
    return exit
  }

  private func runFreely() throws(EngineError) -> VCPUExit {
    while true {
      if software.isFitForHost, policy.shouldLeave(levelChanges: software.levelChanges) {
        if let exit = try runOnHost() { return exit }
      }
      let exit = try runSoftware(slice)
      guard exit == .stopped else { return exit }
      if try host.takeKick() { return .kicked }
    }
  }

  private func runCounted(_ count: UInt64) throws(EngineError) -> VCPUExit {
    var left = count
    while true {
      let exit = try runSoftware(min(left, slice))
      guard exit == .stopped else { return exit }
      left -= min(left, slice)
      if left == 0 { return .stopped }
      if try host.takeKick() { return .kicked }
    }
  }

  /// To an address, or to where somebody wants to look at the time: a search may be long.
  private func runUntil(_ rip: UInt64, _ within: UInt64) throws(EngineError) -> VCPUExit {
    var left = within
    while true {
      let start = software.retiredInstructions ?? 0
      let exit = try software.run(.until(rip: rip, within: min(left, searchSlice)))
      guard exit == .stopped else { return exit }
      left -= min(left, (software.retiredInstructions ?? 0) &- start)
      if left == 0 || software.linearRIP == rip { return .stopped }
      if try host.takeKick() { return .kicked }
    }
  }

  /// The software engine, to an instruction boundary.
  private func runSoftware(_ count: UInt64) throws(EngineError) -> VCPUExit {
    let exit = try software.run(.instructions(count))
    guard exit == .kicked else { return exit }
    _ = try host.takeKick()
    return try software.finishInstruction() ?? .kicked
  }

  /// A stretch of user mode on the host's CPU. An exit when something came up that is not the software engine's to do.
  private func runOnHost() throws(EngineError) -> VCPUExit? {
    stretches += 1
    let exit = try host.enter(from: try software.state())
    if exit.isInteraction {
      isOnHost = true
      return exit
    }
    try comeBack()
    switch exit {
    case .kicked:
      wasKickedOnHost = true
      policy.stretchEnded(byKick: true, levelChanges: software.levelChanges)
      return .kicked
    case .shutdown, .notEmulated:
      policy.stretchEnded(byKick: false, levelChanges: software.levelChanges)
      return nil
    default: return exit
    }
  }

  /// Gives the software engine what the stretch has changed.
  private func comeBack() throws(EngineError) {
    let (state, pages) = try host.leave()
    software.memoryChanged(pages: pages)
    software.takeUserState(state)
    isOnHost = false
  }

  func setStopFilter(_ filter: StopFilter?) { software.setStopFilter(filter) }

  // MARK: answers

  func reply(_ value: UInt64) { isOnHost ? host.reply(value) : software.reply(value) }
  func replyFault() { software.replyFault() }
  func acknowledge() { software.acknowledge() }

  func settle() throws(EngineError) -> Bool {
    guard isOnHost else { return try software.settle() }
    guard try host.settle() else { return false }
    try comeBack()
    return true
  }

  // MARK: state, events: the software engine's

  func state() throws(EngineError) -> CPUState { try settled().state() }

  func setState(_ state: CPUState) throws(EngineError) {
    if isOnHost { try host.abandon() }
    isOnHost = false
    try software.setState(state)
  }

  func prepareToRestore() throws(EngineError) {
    if isOnHost { try host.abandon() }
    isOnHost = false
    try software.prepareToRestore()
  }

  func isInterruptible() throws(EngineError) -> Bool {
    guard try settle() else { return false }
    return try software.isInterruptible()
  }

  func inject(interrupt vector: UInt8) throws(EngineError) { try settled().inject(interrupt: vector) }
  func injectNMI() throws(EngineError) { try settled().injectNMI() }

  func collectDirtyPages() throws(EngineError) {
    _ = try settle()
    try software.collectDirtyPages()
  }

  func privilegeLevel() throws(EngineError) -> UInt8 { try settled().privilegeLevel() }

  var taskPriority: UInt8 { software.taskPriority }
  func setTaskPriority(_ priority: UInt8) { software.setTaskPriority(priority) }
  var apicBase: UInt64 { software.apicBase }
  var stopsAtLowerTaskPriority: Bool {
    get { software.stopsAtLowerTaskPriority }
    set { software.stopsAtLowerTaskPriority = newValue }
  }

  /// Interrupts are off in kernel mode only, which never leaves the software engine.
  var stopsWhenInterruptible: Bool {
    get { software.stopsWhenInterruptible }
    set { software.stopsWhenInterruptible = newValue }
  }

  /// Not counted: what `instructionsOfLastRun` knows is all there is.
  var retiredInstructions: UInt64? { nil }

  var countedInstructions: UInt64? { stretches == 0 ? software.retiredInstructions : nil }

  /// A kick on the host may have come between two iterations, or when KVM had looked up an instruction's pages and not
  /// executed it yet; the software engine goes on with it and retires the instruction, or what handles its fault.
  func finishInstruction() throws(EngineError) -> VCPUExit? {
    instructionsOfLastRun = wasKickedOnHost ? nil : 0
    guard wasKickedOnHost, try settle() else { return nil }
    wasKickedOnHost = false
    let exit = try software.run(.instructions(1))
    return exit == .stopped ? nil : exit
  }

  /// The software engine, with nothing left to do on the host.
  private func settled() throws(EngineError) -> SoftwareEngine {
    guard try settle() else { throw EngineError("the state was asked for inside an interaction") }
    return software
  }

  // MARK: kicks

  func kick() {
    host.kick()
    software.kick()
  }

  func setDeadline(_ deadline: UInt64) throws(EngineError) { try host.setDeadline(deadline) }
}
