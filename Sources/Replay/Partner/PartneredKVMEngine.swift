internal import GuestMemory
internal import KVM
internal import VMMCore
internal import X86

/// KVM, with the software engine for the instructions that this host's KVM cannot execute (KVM_EXIT_INTERNAL_ERROR):
/// the state goes over, one instruction is executed, and the state goes back. The partner is made when it is first
/// needed, so where KVM lacks nothing this is KVM alone.
final class PartneredKVMEngine: Engine, DeadlineEngine {
  let name = EngineKind.kvm.rawValue
  let kvm: KVMEngine
  private let memory: GuestMemory
  private let cpuModel: CPUModel
  private lazy var software = SoftwareEngine(memory: memory, cpuModel: cpuModel)
  /// The partner's instruction is an interaction, and not complete.
  private var isWithPartner = false
  /// Pages that were dirty before the partner's instruction.
  private var earlierPages: [Int] = []

  /// Instructions that the partner has executed.
  private(set) var repairedInstructions: UInt64 = 0

  init(memory: GuestMemory, cpuModel: CPUModel) throws(EngineError) {
    self.memory = memory
    self.cpuModel = cpuModel
    kvm = try KVMEngine(memory: memory, cpuModel: cpuModel)
  }

  // MARK: running

  func run(_ limit: RunLimit) throws(EngineError) -> VCPUExit {
    if isWithPartner {
      guard try software.settle() else { return try software.run(.instructions(1)) }
      try comeBack()
    }
    var limit = limit
    while true {
      let exit = try kvm.run(limit)
      guard case .notEmulated = exit else { return exit }
      if case .instructions(let count) = limit { limit = .instructions(count - kvm.steppedInstructions) }
      if let exit = try repair() { return exit }
      switch limit {
      case .free: break
      case .instructions(1): return .stopped
      case .instructions(let count): limit = .instructions(count - 1)
      case .until(let rip, _): if software.linearRIP == rip { return .stopped }
      }
    }
  }

  /// The partner executes the next instruction. An exit when it is an interaction, or the end.
  private func repair() throws(EngineError) -> VCPUExit? {
    repairedInstructions += 1
    earlierPages = memory.takeDirtyPages()
    try software.setState(try kvm.state())
    let exit = try software.run(.instructions(1))
    if exit.isInteraction, exit != .halt {
      isWithPartner = true
      return exit
    }
    try comeBack()
    return exit == .stopped ? nil : exit
  }

  /// Gives KVM what the partner's instruction has changed.
  private func comeBack() throws(EngineError) {
    isWithPartner = false
    let state = try software.state()
    try software.collectDirtyPages()
    let written = memory.putBackDirtyPages(earlierPages)
    // The instruction may have written to page tables that KVM keeps translations of.
    if !written.isEmpty { try kvm.prepareToRestore() }
    try kvm.setState(state)
  }

  /// Where the vCPU is, with nothing left to do for the partner.
  private func settled() throws(EngineError) -> KVMEngine {
    guard try settle() else { throw EngineError("the state was asked for inside an interaction") }
    return kvm
  }

  // MARK: answers

  func reply(_ value: UInt64) { isWithPartner ? software.reply(value) : kvm.reply(value) }
  func replyFault() { isWithPartner ? software.replyFault() : kvm.replyFault() }
  func acknowledge() { isWithPartner ? software.acknowledge() : kvm.acknowledge() }

  func settle() throws(EngineError) -> Bool {
    guard isWithPartner else { return try kvm.settle() }
    guard try software.settle() else { return false }
    try comeBack()
    return true
  }

  // MARK: all else is KVM's

  func state() throws(EngineError) -> CPUState { try settled().state() }

  func setState(_ state: CPUState) throws(EngineError) {
    isWithPartner = false
    try kvm.setState(state)
  }

  func prepareToRestore() throws(EngineError) {
    isWithPartner = false
    try kvm.prepareToRestore()
  }

  func isInterruptible() throws(EngineError) -> Bool {
    guard try settle() else { return false }
    return try kvm.isInterruptible()
  }

  func inject(interrupt vector: UInt8) throws(EngineError) { try settled().inject(interrupt: vector) }
  func injectNMI() throws(EngineError) { try settled().injectNMI() }

  func collectDirtyPages() throws(EngineError) {
    _ = try settle()
    try kvm.collectDirtyPages()
  }

  func finishRepeat() throws(EngineError) -> VCPUExit? { try settled().finishRepeat() }
  func privilegeLevel() throws(EngineError) -> UInt8 { try settled().privilegeLevel() }
  func canStep() throws(EngineError) -> Bool { try settled().canStep() }
  func follow(_ rule: StateRule) { kvm.follow(rule) }
  var taskPriority: UInt8 { isWithPartner ? software.taskPriority : kvm.taskPriority }
  func setTaskPriority(_ priority: UInt8) {
    isWithPartner ? software.setTaskPriority(priority) : kvm.setTaskPriority(priority)
  }
  var apicBase: UInt64 { isWithPartner ? software.apicBase : kvm.apicBase }
  var stopsAtLowerTaskPriority: Bool {
    get { kvm.stopsAtLowerTaskPriority }
    set { kvm.stopsAtLowerTaskPriority = newValue }
  }
  var retiredInstructions: UInt64? { nil }
  var stopsInUserMode: Bool { kvm.stopsInUserMode }
  func kick() { kvm.kick() }
  func setDeadline(_ deadline: UInt64) throws(EngineError) { try kvm.setDeadline(deadline) }
}
