internal import CKVM
internal import Glibc
internal import GuestMemory
internal import VMMCore

/// What the engine has to know about this host's KVM beyond its capabilities: found out once, by small guests, and
/// only when somebody asks. On ordinary hosts every answer but `stepsCleanly` is `true`: their CPU steps by RFLAGS.TF,
/// which PUSHF, SYSCALL and what is delivered meanwhile save.
struct HostTraits: Sendable {
  /// KVM_GUESTDBG_SINGLESTEP stops after one instruction of user mode.
  var stepsUserMode: Bool
  /// Hardware breakpoints stop user mode.
  var breaksUserMode: Bool
  /// Hardware breakpoints stop kernel mode.
  var breaksKernelMode: Bool
  /// Single steps of kernel mode end one instruction on, and the guest sees nothing of them.
  var stepsCleanly: Bool
  /// A single step over IRETQ or SWAPGS ends right behind it, and not one instruction later.
  var stepsSpecialInstructions: Bool

  /// An exception of user mode with an empty IDT ends the run as a triple fault, with the state at the instruction that
  /// raised it. Found out apart from the others: whoever asks for this one often needs no other, and each costs a VM.
  static let handsOverUserFaults = (try? DebuggingProbe.handsOverUserFaults()) ?? false

  /// KVM_EXIT_IRQ_WINDOW_OPEN comes at the first boundary where an interrupt is accepted. Found out apart, too.
  static let stopsAtWindows = (try? HostProbe.windowIsExact()) ?? false

  /// User mode may use the ports of its task segment only where that was loaded as an available one: emulated SVM. KVM
  /// reads it back as busy, which it is. VMX refuses such a segment, so only SVM is asked.
  static let wantsAvailableTask: Bool = {
    guard unsafe access("/sys/module/kvm_amd", F_OK) == 0 else { return false }
    func works(_ change: (CPUState) -> CPUState) -> Bool { (try? DebuggingProbe.usesPorts(change)) ?? false }
    return !works { $0 } && works { $0.withAvailableTask }
  }()

  /// The first step of a vCPU executes its instruction; emulated VMX reports it before.
  static let firstStepMoves = (try? DebuggingProbe.firstStepMoves()) ?? true

  static let current = HostTraits(
    stepsUserMode: (try? DebuggingProbe.stepsUserMode()) ?? true,
    breaksUserMode: (try? DebuggingProbe.breaksUserMode()) ?? true,
    breaksKernelMode: (try? DebuggingProbe.breaksKernelMode()) ?? true,
    stepsCleanly: (try? DebuggingProbe.stepsCleanly()) ?? true,
    stepsSpecialInstructions: (try? DebuggingProbe.stepsSpecialInstructions()) ?? true)

  static let cannotStepUserMode =
    "this host's KVM cannot single-step user mode: the software engine has to execute these instructions"
  static let cannotBreakUserMode =
    "this host's KVM cannot stop user mode at an address: the software engine has to find this place"
}

/// Where guest debugging works.
enum DebuggingProbe {
  private typealias M = MachineCode
  /// An engine whose guest is in user mode, with NOPs ahead and then a report to the device. All exceptions halt.
  private static func engineInUserMode() throws -> KVMEngine {
    let guest = try ProbeGuest(kernel: M.hlt, user: [0x90, 0x90, 0x90, 0x90] + M.report(1) + M.jump(0))
    for vector in 0..<UInt8(32) { guest.setHandler(vector, M.hlt) }
    var state = guest.state
    state.enterUserMode(entry: ProbeGuest.user, stack: ProbeGuest.userStack)
    let engine = try KVMEngine(memory: guest.memory)
    try engine.setState(state)
    return engine
  }

  static func stepsUserMode() throws -> Bool {
    let engine = try engineInUserMode()
    let timer = KickTimer(engine)
    try timer.arm(deadline: KickTimer.now + 200_000_000)
    let before = try engine.registers().rip
    let exit = try engine.stepOnce()
    return try exit == nil && engine.registers().rip == before + 1
  }

  static func breaksUserMode() throws -> Bool { try breaks(engineInUserMode(), at: ProbeGuest.user + 2) }

  static func breaksKernelMode() throws -> Bool {
    let guest = try ProbeGuest(kernel: [0x90, 0x90, 0x90, 0x90] + M.hlt)
    let engine = try KVMEngine(memory: guest.memory)
    try engine.setState(guest.state)
    return try breaks(engine, at: ProbeGuest.kernel + 2)
  }

  /// A breakpoint two instructions on stops the guest there.
  private static func breaks(_ engine: KVMEngine, at target: UInt64) throws -> Bool {
    let timer = KickTimer(engine)
    try timer.arm(deadline: KickTimer.now + 200_000_000)
    try engine.arm(.breakpoint(target))
    while true {
      switch try engine.enter() {
      case .debug: return try engine.registers().rip == target
      case .exit: return false
      case .nothing: continue
      }
    }
  }

  /// XOR EAX, EAX; MOV EAX, 40000000H; ROL EAX, 3; HLT: where OF is kept in user mode, it is set.
  static let kernelRotatesByCL: Bool = {
    let code: [UInt8] = [0x31, 0xc0, 0xb8, 0, 0, 0, 0x40, 0xc1, 0xc0, 3]
    // Not the default model: that asks here.
    let model = CPUModel(name: "probe", leaves: (try? System().supportedLeaves()) ?? [])
    guard let guest = try? ProbeGuest(kernel: code + M.hlt),
      let engine = try? KVMEngine(memory: guest.memory, cpuModel: model),
      (try? engine.setState(guest.state)) != nil, case .halt = try? engine.run(.free), let state = try? engine.state()
    else { return false }
    return state.rflags & 1 << 11 != 0
  }()

  static func firstStepMoves() throws -> Bool {
    let guest = try ProbeGuest(kernel: M.nop + M.hlt)
    let engine = try KVMEngine(memory: guest.memory)
    try engine.setState(guest.state)
    try engine.arm(.step)
    while true {
      switch try engine.enter() {
      case .debug: return try engine.registers().rip != ProbeGuest.kernel
      case .exit: return true
      case .nothing: continue
      }
    }
  }

  /// Steps end behind a NOP, and behind a PUSHF that pushes no trap flag.
  static func stepsCleanly() throws -> Bool {
    let guest = try ProbeGuest(kernel: [0x90, 0x9c, 0x90, 0x90] + M.hlt)
    var state = guest.state
    state.rflags = 0x202
    let engine = try KVMEngine(memory: guest.memory)
    try engine.setState(state)
    let timer = KickTimer(engine)
    try timer.arm(deadline: KickTimer.now + 200_000_000)
    for length in [UInt64(1), 2] {
      guard try engine.stepOnce() == nil, try engine.registers().rip == ProbeGuest.kernel + length else { return false }
    }
    return guest.memory.load(GuestPhysicalAddress(ProbeGuest.kernelStack - 8), as: UInt64.self) == 0x202
  }

  /// User mode writes to a port that its task segment permits, with the state changed for KVM.
  static func usesPorts(_ change: (CPUState) -> CPUState) throws -> Bool {
    let guest = try ProbeGuest(kernel: M.hlt, user: M.out(0x10) + M.report(1) + M.jump(0))
    for vector in 0..<UInt8(32) { guest.setHandler(vector, M.hlt) }
    var state = guest.state
    state.enterUserMode(entry: ProbeGuest.user, stack: ProbeGuest.userStack)
    let engine = try KVMEngine(memory: guest.memory)
    try engine.vcpu.writeState(change(state))
    engine.forgetPending()
    let timer = KickTimer(engine)
    try timer.arm(deadline: KickTimer.now + 200_000_000)
    if case .portWrite(port: 0x10, _, _) = try engine.run(.free) { return true }
    return false
  }

  static func handsOverUserFaults() throws -> Bool {
    let user = M.mov(.rcx, 0x1234) + M.ud2
    let guest = try ProbeGuest(kernel: M.hlt, user: user)
    var state = guest.state
    state.enterUserMode(entry: ProbeGuest.user, stack: ProbeGuest.userStack)
    state.idtr = DescriptorTable(base: 0, limit: 0)
    let engine = try KVMEngine(memory: guest.memory)
    try engine.setState(state)
    let timer = KickTimer(engine)
    try timer.arm(deadline: KickTimer.now + 200_000_000)
    guard try engine.run(.free) == .shutdown else { return false }
    let after = try engine.state()
    return after.rip == ProbeGuest.user + UInt64(user.count - M.ud2.count) && after.rcx == 0x1234
      && after.rsp == ProbeGuest.userStack && after.privilegeLevel == 3
  }

  /// SWAPGS stands for the others.
  static func stepsSpecialInstructions() throws -> Bool {
    let guest = try ProbeGuest(kernel: [0x0f, 0x01, 0xf8, 0x90, 0x90] + M.hlt)
    let engine = try KVMEngine(memory: guest.memory)
    try engine.setState(guest.state)
    let exit = try engine.stepOnce()
    return try exit == nil && engine.registers().rip == ProbeGuest.kernel + 3
  }
}

extension CPUState {
  /// With a task segment whose busy bit is clear.
  var withAvailableTask: CPUState {
    var state = self
    state.tr.attributes &= ~2
    return state
  }

  /// Puts the vCPU of a probe guest into user mode.
  fileprivate mutating func enterUserMode(entry: UInt64, stack: UInt64) {
    cs = Segment(selector: ProbeGuest.userCode, base: 0, limit: 0xffff_ffff, attributes: 0xa0fb)
    ss = Segment(selector: ProbeGuest.userData, base: 0, limit: 0xffff_ffff, attributes: 0xc0f3)
    rip = entry
    rsp = stack
    rflags = 0x202
  }
}
