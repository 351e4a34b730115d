internal import CKVM
internal import GuestMemory
internal import VMMCore

/// What the engine has to know about this host's KVM beyond its capabilities: found out once, by small guests, and
/// only when somebody asks. On ordinary hosts every answer is `true`.
struct HostTraits: Sendable {
  /// KVM_GUESTDBG_SINGLESTEP stops after one instruction of user mode.
  var stepsUserMode: Bool
  /// Hardware breakpoints stop user mode.
  var breaksUserMode: Bool
  /// A single step over IRETQ or SWAPGS ends right behind it, and not one instruction later.
  var stepsSpecialInstructions: Bool

  /// An exception of user mode with an empty IDT ends the run as a triple fault, with the state at the instruction that
  /// raised it. Found out apart from the others, since few ask.
  var handsOverUserFaults: Bool { HostTraits.faultsAreHandedOver }

  private static let faultsAreHandedOver = (try? DebuggingProbe.handsOverUserFaults()) ?? false

  /// KVM_EXIT_IRQ_WINDOW_OPEN comes at the first boundary where an interrupt is accepted. Found out apart, too.
  var stopsAtWindows: Bool { HostTraits.windowsAreExact }

  private static let windowsAreExact = (try? HostProbe.windowIsExact()) ?? false

  static let current = HostTraits(
    stepsUserMode: (try? DebuggingProbe.stepsUserMode()) ?? true,
    breaksUserMode: (try? DebuggingProbe.breaksUserMode()) ?? true,
    stepsSpecialInstructions: (try? DebuggingProbe.stepsSpecialInstructions()) ?? true)

  static let cannotStepUserMode =
    "this host's KVM cannot single-step user mode: the software engine has to execute these instructions"
  static let cannotBreakUserMode =
    "this host's KVM cannot stop user mode at an address: the software engine has to find this place"
}

/// Where guest debugging works.
enum DebuggingProbe {
  private typealias M = MachineCode
  /// Port writes that tell how far the guest has come.
  private static let reached: UInt8 = 0x10
  private static let passed: UInt8 = 0x11

  /// An engine whose guest has just written `reached` in user mode, with four NOPs ahead and then a write of
  /// `passed`. All exceptions halt.
  private static func engineInUserMode() throws -> KVMEngine {
    let user = M.out(reached) + [0x90, 0x90, 0x90, 0x90] + M.out(passed) + M.jump(0)
    let guest = try ProbeGuest(
      kernel: M.enterUser(entry: ProbeGuest.user, stack: ProbeGuest.userStack), user: user)
    for vector in 0..<UInt8(32) { guest.setHandler(vector, M.hlt) }
    let engine = try KVMEngine(memory: guest.memory)
    try engine.setState(guest.state)
    let exit = try engine.run(.free)
    guard case .portWrite(port: UInt16(reached), _, _) = exit, try engine.settle() else {
      throw EngineError("user mode is not reached: \(exit)")
    }
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

  static func breaksUserMode() throws -> Bool {
    let engine = try engineInUserMode()
    let timer = KickTimer(engine)
    try timer.arm(deadline: KickTimer.now + 200_000_000)
    let target = try engine.registers().rip + 2
    try engine.arm(.breakpoint(target))
    while true {
      switch try engine.enter() {
      case .debug: return try engine.registers().rip == target
      case .exit: return false
      case .nothing: continue
      }
    }
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
  /// Puts the vCPU of a probe guest into user mode.
  fileprivate mutating func enterUserMode(entry: UInt64, stack: UInt64) {
    cs = Segment(selector: ProbeGuest.userCode, base: 0, limit: 0xffff_ffff, attributes: 0xa0fb)
    ss = Segment(selector: ProbeGuest.userData, base: 0, limit: 0xffff_ffff, attributes: 0xc0f3)
    rip = entry
    rsp = stack
    rflags = 0x202
  }
}
