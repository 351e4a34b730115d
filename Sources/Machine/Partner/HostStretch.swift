internal import GuestMemory
internal import KVM
internal import VMMCore

/// A stretch of user mode on the host's CPU, by KVM.
///
/// The guest's IDT is hidden meanwhile, so that whatever user mode raises ends the stretch as a triple fault before
/// the guest's kernel has seen any of it. The state is then that of the instruction that raised it, but for SYSCALL
/// and INT3, which are taken back.
final class HostStretch {
  private let kvm: KVMEngine
  private let memory: GuestMemory
  /// The state that the stretch began with.
  private var start = CPUState()
  private var lastExit = VCPUExit.kicked

  init(memory: GuestMemory, cpuModel: CPUModel) throws(EngineError) {
    self.memory = memory
    kvm = try KVMEngine(memory: memory, cpuModel: cpuModel)
  }

  /// Runs user mode from `state` on, until it raises something, meets a device, or is kicked.
  func enter(from state: CPUState) throws(EngineError) -> VCPUExit {
    start = state
    // KVM must not use what it derived from page tables that the other engine has changed since.
    try kvm.prepareToRestore()
    try kvm.setState(HostStretch.hostState(state))
    return try run()
  }

  private func run() throws(EngineError) -> VCPUExit {
    lastExit = try kvm.run(.free)
    return lastExit
  }

  /// The next piece of an interaction that comes in pieces.
  func nextPiece() throws(EngineError) -> VCPUExit? {
    try kvm.settle() ? nil : try run()
  }

  /// User mode's state, and the pages that it wrote.
  func leave() throws(EngineError) -> (state: CPUState, pages: [Int]) {
    let pages = try takeWrittenPages()
    var state = try kvm.state()
    if lastExit == .shutdown { takeBack(&state) }
    state.rflags &= ~HostStretch.resumeFlag
    return (state, pages)
  }

  /// Drops a stretch whose state nobody wants.
  func abandon() throws(EngineError) { try kvm.prepareToRestore() }

  func reply(_ value: UInt64) { kvm.reply(value) }
  func settle() throws(EngineError) -> Bool { try kvm.settle() }
  func takeKick() throws(EngineError) -> Bool { try kvm.takeKick() }
  func kick() { kvm.kick() }
  func setDeadline(_ deadline: UInt64) throws(EngineError) { try kvm.setDeadline(deadline) }

  // MARK: the state there and back

  private static let resumeFlag: UInt64 = 1 << 16
  /// DE, PSE, PAE, PGE, OSFXSR, OSXMMEXCPT: the bits of CR4 that user mode can tell, or paging needs.
  private static let relevantCR4: UInt64 = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 9 | 1 << 10
  /// CR0.AM.
  private static let alignmentMask: UInt64 = 1 << 18

  /// What KVM is told. The task segment ends before any I/O permission bitmap, so that port instructions are the
  /// software engine's to check.
  private static func hostState(_ state: CPUState) -> CPUState {
    var host = state
    host.idtr = DescriptorTable(base: 0, limit: 0)
    host.tr.limit = 0x67
    host.cr0 &= ~alignmentMask
    host.cr4 &= relevantCR4
    host.cr8 = 0
    host.xcr0 = 1
    host.nmiMasked = false
    return host
  }

  /// Takes an instruction back that KVM completed in part or as a whole before its exception came to nothing.
  private func takeBack(_ state: inout CPUState) {
    let code = LinearMemory(start.paging, memory)
    if state.rip == start.lstar, code.read(state.rcx &- 2, count: 2) == [0x0f, 0x05] {
      // SYSCALL went to the kernel's entry without leaving user mode, and met the page fault there.
      state.rip = state.rcx &- 2
      state.rflags = state.gpr[11]
    } else if state.rflags & HostStretch.resumeFlag == 0 {
      // Faults set RF in the state; a trap does not, and RIP is behind its instruction: INT3, INT1 or INT 3.
      let before = code.read(state.rip &- 2, count: 2)
      if before == [0xcd, 0x03] {
        state.rip &-= 2
      } else if before.last == 0xcc || before.last == 0xf1 {
        state.rip &-= 1
      }
    }
  }

  /// The pages that the stretch wrote, which also enter the memory's dirty set.
  private func takeWrittenPages() throws(EngineError) -> [Int] {
    let earlier = memory.takeDirtyPages()
    try kvm.collectDirtyPages()
    return memory.putBackDirtyPages(earlier)
  }
}
