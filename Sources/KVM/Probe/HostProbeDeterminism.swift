internal import CKVM
internal import VMMCore

// What leaks from the host into the guest unseen.
extension HostProbe {
  private typealias M = MachineCode

  static func nondeterminism() -> [HostFinding] {
    [
      cpuid("cpuid.kernel") { try ProbeMachine(kernel: $0) },
      cpuid("cpuid.user") { try ProbeMachine(user: $0) },
      finding(
        "rdtsc.kernel", otherwise: .limited, "CPUID hides it: a guest that uses it all the same cannot be replayed"
      ) {
        // Hidden, not trapped: a guest in kernel mode can always read it.
        try answer(ProbeMachine(kernel: M.rdtsc + M.report(0x20) + M.hlt), yes: 0x86, no: 0x20)
      },
      finding("rdtsc.user", otherwise: .limited, "CR4.TSD does not keep user mode from the host's time-stamp counter") {
        try answer(
          ProbeMachine(user: M.rdtsc + M.report(0x20) + M.jump(0)) { $0.cr4 |= 1 << 2 }, yes: 0x8d, no: 0x20)
      },
      finding(
        "rdrand.hidden", otherwise: .limited, "CPUID hides it: a guest that uses it all the same cannot be replayed"
      ) {
        try answer(ProbeMachine(kernel: [0x0f, 0xc7, 0xf0] + M.report(0x20) + M.hlt), yes: 0x86, no: 0x20)
      },
      finding("msr-filter", otherwise: .limited, "reads of time-stamp and other MSRs are not recorded") {
        let machine = try ProbeMachine(kernel: M.mov(.rcx, 0x10) + M.rdmsr + M.hlt)
        switch try machine.engine.run(.free) {
        case .msrRead(index: 0x10): return true
        case .halt: return false
        default: return nil
        }
      },
    ]
  }

  /// Whether leaves 0 and 1 read what the CPU model says.
  private static func cpuid(_ name: String, _ make: ([UInt8]) throws -> ProbeMachine) -> HostFinding {
    finding(name) {
      let model = CPUModel.kvmDefault
      let maximum = try make(M.mov(.rax, 0) + M.cpuid + M.report(0x20) + M.jump(0)).value(at: 0x20)
      let features = try make(M.mov(.rax, 1) + M.cpuid + M.mov(.rax, .rcx) + M.report(0x20) + M.jump(0))
        .value(at: 0x20)
      guard let maximum, let features else { throw EngineError("CPUID does not come to its end") }
      // OSXSAVE mirrors CR4.
      let extra = features & ~model.lookup(leaf: 1, subleaf: 0).ecx & ~(1 << 27)
      if maximum == model.lookup(leaf: 0, subleaf: 0).eax && extra == 0 { return HostFinding(name, "as set", .good) }
      let value = "maximum leaf \(maximum)" + (extra == 0 ? "" : ", more features in leaf 1 ECX: \(hex(extra))")
      return HostFinding(
        name, value, .limited, "the host shows through: a trace replays on CPUs of the same kind, others will diverge")
    }
  }
}
