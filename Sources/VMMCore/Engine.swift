/// How far `Engine.run` goes when no interaction comes first.
public enum RunLimit: Equatable, Sendable {
  /// Until an interaction or a kick.
  case free
  /// Exactly this many retired instructions (> 0), then `.stopped`. A REP instruction counts when it is complete.
  case instructions(UInt64)
  /// Until the next instruction would be the one at this linear address, looking before every instruction but the
  /// first, then `.stopped`. Engines that count stop after `within` instructions as well.
  case until(rip: UInt64, within: UInt64 = .max)

  /// The count of `.instructions`, 0 otherwise.
  public var instructionCount: UInt64 {
    if case .instructions(let count) = self { count } else { 0 }
  }
}

/// One vCPU, and the memory it runs in. The caller drives it from one thread; only `kick` may come from elsewhere.
///
/// After an interaction the caller answers it (`reply`, `replyFault` or `acknowledge`, where the exit asks for one)
/// and calls `run` again. `state`, `setState`, `inject…` and `collectDirtyPages` complete an answered interaction
/// first, so what they see is the place right after it.
public protocol Engine: AnyObject {
  /// `kvm` or `software`, as traces and messages name it.
  var name: String { get }

  /// Runs the guest. Errors are host trouble (an ioctl failed); what the guest does is an exit.
  func run(_ limit: RunLimit) throws(EngineError) -> VCPUExit

  /// Answers a pending read.
  func reply(_ value: UInt64)
  /// Answers a pending RDMSR or WRMSR with #GP(0).
  func replyFault()
  /// Lets a pending WRMSR succeed.
  func acknowledge()

  /// The last interaction's instruction is complete, or (REP INS, OUTS) between units: asynchronous events may be
  /// delivered and the state read here. False inside a batch of units or between the pieces of one MMIO access.
  func settle() throws(EngineError) -> Bool

  /// A hint: stops (of `.until`, of a debugger) that the filter lets not through are of no interest; the engine may
  /// pass by. `nil` takes the hint back.
  func setStopFilter(_ filter: StopFilter?)

  /// The whole architectural state. Only where `settle` holds.
  func state() throws(EngineError) -> CPUState
  func setState(_ state: CPUState) throws(EngineError)

  /// Before a checkpoint is restored, while the memory is still the old one: drops whatever is pending, and what was
  /// derived from the memory's contents (translations, decoded code). Then the memory is rewritten, and `setState`
  /// follows.
  func prepareToRestore() throws(EngineError)

  /// An external interrupt would be accepted right here: IF set, no shadow, at a boundary.
  func isInterruptible() throws(EngineError) -> Bool
  /// Delivers an external interrupt before the next instruction, waking a halted vCPU. Only where `isInterruptible`.
  func inject(interrupt vector: UInt8) throws(EngineError)
  /// Delivers an NMI before the next instruction (or holds it while NMIs are masked), waking a halted vCPU.
  func injectNMI() throws(EngineError)

  /// Reports the pages that guest code wrote since the last call to the guest memory's dirty set.
  func collectDirtyPages() throws(EngineError)

  /// Instructions retired since the engine was made, where the engine counts them.
  var retiredInstructions: UInt64? { get }

  /// The same from engines that count only sometimes, as long as they have counted all of them.
  var countedInstructions: UInt64? { get }

  /// How many instructions the last `run` retired before it came back (the one of the interaction that ended it does
  /// not count); `nil` when some were not counted.
  var instructionsOfLastRun: UInt64? { get }

  /// After `.kicked` inside an instruction: carries it to its end, so that the state is one that every engine comes to,
  /// at an instruction boundary: some iterations of a REP instruction may be done, or pages looked up (and marked
  /// accessed and dirty) for an instruction that has not retired. Returns the interaction that came up instead, if one
  /// did. `instructionsOfLastRun` is what that took.
  func finishInstruction() throws(EngineError) -> VCPUExit?

  /// Iterations that the REP instruction at RIP has done in its present execution; 0 between instructions, and where
  /// an event is to be delivered first. Counted by engines that can stop there.
  var repeatIterations: UInt64 { get }
  /// `runIterations` works.
  var stopsInsideRepeat: Bool { get }
  /// Executes the next instruction alone, as `.instructions(1)`, but at most `count` (> 0) further iterations of a REP
  /// instruction. `.stopped` after either.
  func runIterations(_ count: UInt64) throws(EngineError) -> VCPUExit

  /// `.instructions` works for the next instruction. Only where `settle` holds.
  func canStep() throws(EngineError) -> Bool
  /// Called before the first run: states are to be as this rule says.
  func follow(_ rule: StateRule)

  /// CPL. Only where `settle` holds.
  func privilegeLevel() throws(EngineError) -> UInt8

  /// `.instructions` and `.until` work at CPL 3 too.
  var stopsInUserMode: Bool { get }

  /// CR8: the class of the task priority, 0 to 15, as of the last exit.
  var taskPriority: UInt8 { get }
  /// Sets CR8, right after the interaction with which the guest changed the APIC's register.
  func setTaskPriority(_ priority: UInt8) throws(EngineError)
  /// IA32_APIC_BASE, as of the last exit.
  var apicBase: UInt64 { get }
  /// While set, `run` returns `.kicked` soon after the guest has lowered CR8, where the engine can tell.
  var stopsAtLowerTaskPriority: Bool { get set }
  /// While set, `run(.free)` and `run(.instructions)` return `.kicked` at the first boundary, other than the one they
  /// began at, where `isInterruptible` holds.
  var stopsWhenInterruptible: Bool { get set }

  /// What was executed since the last call with a result that CPUs have otherwise and that is not imitated.
  func takeDoubts() -> [UndefinedDoubt]

  /// What was translated since `measureTranslation`; `nil` from engines that translate nothing.
  var translation: TranslationStatistics? { get }

  /// Has translations counted from now on, by a clock in nanoseconds: engines have none of their own.
  func measureTranslation(by clock: @escaping () -> UInt64)

  /// How often the x87 has signalled an error by FERR#, because CR0.NE is clear; 0 where that cannot be seen.
  var x87Errors: UInt64 { get }
  /// While set, `run` returns `.kicked` before the instruction at which FERR# becomes active, where the engine can
  /// tell.
  var stopsAtX87Errors: Bool { get set }

  /// Makes `run` return `.kicked` soon, or at once when it is not running. Any thread, and signal handlers.
  func kick()
}

extension Engine {
  public func prepareToRestore() throws(EngineError) {}
  public func setStopFilter(_ filter: StopFilter?) {}
  public var countedInstructions: UInt64? { retiredInstructions }
  public var instructionsOfLastRun: UInt64? { nil }
  public func finishInstruction() throws(EngineError) -> VCPUExit? { nil }
  public func canStep() throws(EngineError) -> Bool {
    if stopsInUserMode { return true }
    return try privilegeLevel() < 3
  }
  public func follow(_ rule: StateRule) {}
  public func takeDoubts() -> [UndefinedDoubt] { [] }
  public var translation: TranslationStatistics? { nil }
  public func measureTranslation(by clock: @escaping () -> UInt64) {}
  public var repeatIterations: UInt64 { 0 }
  public var stopsInsideRepeat: Bool { false }
  public func runIterations(_ count: UInt64) throws(EngineError) -> VCPUExit {
    .failed("the \(name) engine cannot stop inside a REP instruction")
  }
  public var stopsInUserMode: Bool { true }
  public var x87Errors: UInt64 { 0 }
  public var stopsAtX87Errors: Bool {
    get { false }
    set {}
  }
  public func privilegeLevel() throws(EngineError) -> UInt8 { try state().privilegeLevel }
}

/// The host would not do what an engine asked of it.
public struct EngineError: Error, Equatable, CustomStringConvertible {
  /// What was tried, what came back, and what to do about it: one line.
  public var description: String
  public init(_ description: String) { self.description = description }
}
