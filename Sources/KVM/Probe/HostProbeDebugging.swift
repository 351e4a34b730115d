internal import CKVM
internal import VMMCore

// Stepping, breakpoints and watchpoints.
extension HostProbe {
  private typealias M = MachineCode

  static func debugging() -> [HostFinding] {
    [
      finding("step.kernel", otherwise: .repaired, "the software engine steps instead") {
        let machine = try ProbeMachine(kernel: [0x90, 0x90, 0x90] + M.hlt)
        return try machine.engine.run(.instructions(2)) == .stopped
          && machine.engine.state().rip == ProbeGuest.kernel + 2
      },
      finding("step.clean", otherwise: .repaired, "steps show in what PUSHF saves: the software engine steps instead") {
        try DebuggingProbe.stepsCleanly()
      },
      finding("step.exact", otherwise: .repaired, "SWAPGS, IRETQ, FXSAVE and their like are stepped by breakpoints") {
        try DebuggingProbe.stepsSpecialInstructions()
      },
      finding("step.user", otherwise: .limited, "events in user mode wait for an exit, or need the software engine") {
        try DebuggingProbe.stepsUserMode()
      },
      finding("breakpoint.kernel", otherwise: .repaired, "the software engine finds places again") {
        try DebuggingProbe.breaksKernelMode()
      },
      finding(
        "breakpoint.user", otherwise: HostFitness.stopsAtAddresses ? .limited : .repaired, "the same in user mode"
      ) {
        try DebuggingProbe.breaksUserMode()
      },
      finding("watchpoint.kernel", otherwise: .limited, "watchpoints are found by stepping, or by the software engine")
      {
        try watches(ProbeMachine(kernel: watched))
      },
      finding("watchpoint.user", otherwise: .limited, "as in kernel mode") {
        try watches(ProbeMachine(user: watched))
      },
    ]
  }

  /// Writes to `data`, then to a port.
  private static let watched =
    M.mov(.rdi, ProbeGuest.data) + M.mov(.rax, 1) + M.storeRAX(size: 8) + [0x90, 0x90] + M.report(0x10)
    + M.jump(0)

  /// A data watchpoint on `data`, 8 bytes, writes: DR7 has G0, R/W0 = 1, LEN0 = 2.
  private static func watches(_ machine: ProbeMachine) throws -> Bool? {
    let control = UInt32(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP)
    let dr7: UInt64 = 1 << 1 | 1 << 10 | 1 << 16 | 2 << 18
    try machine.engine.vcpu.setGuestDebug(control: control, addresses: [ProbeGuest.data], dr7: dr7)
    while true {
      switch try machine.engine.enter() {
      case .debug: return true
      case .exit(.mmioWrite): return false
      case .exit: return nil
      case .nothing: continue
      }
    }
  }
}
