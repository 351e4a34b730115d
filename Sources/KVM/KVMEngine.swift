internal import CKVM
public import GuestMemory
internal import Glibc
public import VMMCore

/// A vCPU on `/dev/kvm`. One KVM_RUN for each exit and no other system call, as long as the guest only exits and is
/// answered.
///
/// Interrupt controllers and timers are the caller's: KVM has none. `run` on a halted vCPU that nothing has woken
/// returns `.failed`, or `.kicked` when it was kicked. `retiredInstructions` is `nil`; `steppedInstructions` counts
/// a step run.
@safe
public final class KVMEngine: Engine {
  public let name = "kvm"
  public let memory: GuestMemory
  public let model: CPUModel

  let system: System
  var vm: VM
  var vcpu: VCPU

  /// Shared with `kick` on other threads; at this address for the engine's life.
  let kickState: UnsafeMutablePointer<ckvm_kick>
  /// Registers are in the run page after every exit (KVM_CAP_SYNC_REGS).
  let syncsRegisters: Bool

  /// How far the last interaction has come.
  var stage = Stage.settled
  /// The units of the last port exit.
  var batch = Batch()
  /// An exit that came while an interaction was completed: the next `run` returns it.
  var queued: VCPUExit?
  /// HLT retired and nothing has woken the vCPU.
  var halted = false
  /// The run page's interrupt flags are older than the last change from outside.
  var flagsAreStale = true
  /// The run page's registers are those of the vCPU.
  var registersAreSynced = false
  /// SREGS are copied into the run page too, and those there are the vCPU's.
  var syncsSpecial = false
  var specialAreSynced = false
  /// An event was handed to KVM, and the guest has not run since.
  var hasEvent = false
  /// RIP may stay on a REP instruction that is done, as in recordings by `StateRule.first`.
  private(set) var leavesFinishedRepeats = false
  /// What KVM_SET_GUEST_DEBUG was last told.
  var armed = Debugging.off
  /// Where RDTSC instructions are that must not run unlogged.
  var timestampSites: [UInt64] = []
  /// The same, on hosts whose breakpoints do not fire.
  var halts: [TimestampHalt] = []
  /// Tests choose; `nil` is what this host needs.
  var timestampsHalt: Bool?

  /// Not every KVM says when CR8 falls.
  public var stopsAtLowerTaskPriority = false
  /// By KVM's interrupt window, where that is exact (`HostFitness.stopsAtWindows`); otherwise it does nothing.
  public var stopsWhenInterruptible = false {
    didSet {
      let asks = stopsWhenInterruptible && HostTraits.stopsAtWindows
      unsafe ckvm_set_interrupt_window(vcpu.run, asks ? 1 : 0)
    }
  }

  /// The last run ended by KVM's interrupt window.
  public internal(set) var stoppedAtWindow = false

  /// How many instructions the last `run(.instructions)` retired before it came back, also when it was kicked, or
  /// stopped by an interaction (whose own instruction does not count).
  public internal(set) var steppedInstructions: UInt64 = 0

  public var retiredInstructions: UInt64? { nil }

  /// Makes the VM and its vCPU, in the state after RESET, on memory that must live as long as the engine.
  public init(memory: GuestMemory, cpuModel: CPUModel = .kvmDefault) throws(EngineError) {
    let system = try System()
    let vm = try VM(system, memory: memory)
    let vcpu = try VCPU(vm, model: cpuModel)
    self.memory = memory
    model = cpuModel
    (self.system, self.vm, self.vcpu) = (system, vm, vcpu)
    syncsRegisters = system.extent(of: KVM_CAP_SYNC_REGS) & 3 == 3  // REGS and SREGS
    unsafe kickState = .allocate(capacity: 1)
    unsafe kickState.initialize(to: ckvm_kick())
    try vcpu.writeState(CPUState())
    prepareRunPage()
  }

  deinit {
    unsafe ckvm_kick_destroy(kickState)
    unsafe kickState.deallocate()
  }

  /// Tells KVM which registers to copy into the run page at each exit: also the special ones while every instruction
  /// is an exit.
  func prepareRunPage(stepping: Bool = false) {
    guard syncsRegisters else { return }
    syncsSpecial = stepping
    unsafe ckvm_set_synced(vcpu.run, UInt64(KVM_SYNC_X86_REGS | (stepping ? KVM_SYNC_X86_SREGS : 0)))
  }

  /// Forgets everything that KVM derived from earlier contents of the memory (shadow pages, which decide about
  /// accessed bits; the dirty log), and whatever is pending. The dirty set is complete up to here.
  ///
  /// New memory slots do for that in a fraction of a millisecond, a fresh VM, in one to some milliseconds, is only
  /// needed where KVM waits for the answer to an interaction.
  public func prepareToRestore() throws(EngineError) {
    if try settle(), queued == nil {
      try vm.collectDirtyPages()
      try vm.remakeSlots()
      forgetPending()
      return
    }
    try vm.collectDirtyPages()
    let fresh = try VM(system, memory: memory)
    let cpu = try VCPU(fresh, model: model)
    (vm, vcpu) = (fresh, cpu)
    try vcpu.writeState(CPUState())
    forgetPending()
    halted = false
    try rearm()
    // The signal mask belongs to the vCPU: the next run sets it again.
    unsafe kickState.pointee.thread = 0
    prepareRunPage()
  }

  func forgetPending() {
    stage = .settled
    batch = Batch()
    queued = nil
    flagsAreStale = true
    registersAreSynced = false
    specialAreSynced = false
    hasEvent = false
  }

  public func follow(_ rule: StateRule) { leavesFinishedRepeats = rule == .first }

  public func kick() { unsafe ckvm_kick(kickState) }

  public func collectDirtyPages() throws(EngineError) {
    _ = try settle()
    try vm.collectDirtyPages()
  }
}

extension KVMEngine {
  /// How far an interaction has come.
  enum Stage {
    /// Nothing is pending in KVM.
    case settled
    /// Returned by `run`, and not answered yet.
    case awaitingAnswer(Asked)
    /// Answered, and KVM does not know yet.
    case answered
  }

  enum Asked { case port, mmio, msrRead, msrWrite, timestamp }

  /// The units of one KVM_EXIT_IO, handed out one by one.
  @safe
  struct Batch {
    var io = unsafe ckvm_io()
    /// The unit that was handed out last.
    var index: UInt32 = 0
    var hasMore: Bool { unsafe index + 1 < io.count }
  }

  /// What KVM_SET_GUEST_DEBUG is set to.
  enum Debugging: Equatable {
    case off
    case step
    /// Stop before the instruction at this linear address, or at the other one.
    case breakpoint(UInt64, or: UInt64? = nil)

    var addresses: [UInt64] {
      guard case .breakpoint(let first, let second) = self else { return [] }
      return [first] + (second.map { [$0] } ?? [])
    }
  }
}
