internal import CKVM
internal import GuestMemory
internal import VMMCore

// Memory tracking and events.
extension HostProbe {
  private typealias M = MachineCode

  static func memoryAndEvents(_ system: System) -> [HostFinding] {
    [
      finding("dirty-log.kernel", otherwise: .limited, "memory digests do not hold") {
        try dirtyLogIsExact { try ProbeMachine(kernel: $0) }
      },
      finding("dirty-log.user", otherwise: .limited, "memory digests do not hold") {
        try dirtyLogIsExact { try ProbeMachine(user: $0) }
      },
      finding("ports.user") {
        let meaning = "user mode gets #GP for ports that its task segment permits"
        guard try !DebuggingProbe.usesPorts({ $0 }) else { return HostFinding("ports.user", "yes", .good) }
        guard HostTraits.wantsAvailableTask else { return HostFinding("ports.user", "no", .limited, meaning) }
        return HostFinding("ports.user", "no", .repaired, meaning + ", unless it is shown as one that is not busy")
      },
      finding("hlt", otherwise: .limited, "idle guests burn CPU time") {
        switch try ProbeMachine(kernel: M.hlt).engine.run(.free) {
        case .halt: true
        case .kicked: false
        default: nil
        }
      },
      finding("interrupts", otherwise: .limited, "nothing interrupt-driven runs") {
        let machine = try ProbeMachine(kernel: M.sti + M.hlt + M.jump(0))
        machine.guest.setHandler(0x40, M.out(0x20) + M.hlt)
        guard try machine.engine.run(.free) == .halt else { return nil }
        guard try machine.engine.isInterruptible() else { return false }
        try machine.engine.inject(interrupt: 0x40)
        return try machine.firstWrite()?.port == 0x20
      },
      finding("nmi", otherwise: .limited, "--nmi-after does not work") {
        let machine = try ProbeMachine(kernel: M.hlt + M.jump(0))
        guard try machine.engine.run(.free) == .halt else { return nil }
        try machine.engine.injectNMI()
        return try machine.firstWrite()?.port == 0x82
      },
      finding(
        "interrupt-window", otherwise: .repaired, "its exit is late or early: the software engine finds these places"
      ) {
        try windowIsExact()
      },
    ]
  }

  /// Two pages and the border between two others are written: those pages are dirty and no others but page tables,
  /// of which accessed bits were set, and the stack.
  private static func dirtyLogIsExact(_ make: ([UInt8]) throws -> ProbeMachine) throws -> Bool? {
    let targets = [ProbeGuest.data, ProbeGuest.data + 0x1_0ffc]
    let writes = targets.flatMap { M.mov(.rdi, $0) + M.storeRAX(size: 8) }
    let machine = try make(writes + M.report(0x10) + M.jump(0))
    _ = machine.guest.memory.takeDirtyPages()
    guard try machine.firstWrite()?.port == 0x10 else { return nil }
    try machine.engine.collectDirtyPages()
    let first = Int(ProbeGuest.data) / pageSize
    return machine.guest.memory.takeDirtyPages().filter { $0 >= first } == [first, first + 0x10, first + 0x11]
  }

  /// KVM_EXIT_IRQ_WINDOW_OPEN comes where interrupts are first possible: two instructions behind the STI, also when KVM
  /// is entered between the two. Emulated SVM forgets the shadow of an STI there.
  static func windowIsExact() throws -> Bool {
    try windowComes(behind: 2, code: M.sti) { _ in }
      && windowComes(behind: 1, code: M.nop) { state in
        state.rflags |= 1 << 9
        state.interruptShadow = 1
      }
  }

  private static func windowComes(
    behind bytes: UInt64, code: [UInt8], change: (inout CPUState) -> Void
  ) throws -> Bool {
    let machine = try ProbeMachine(
      kernel: code + [UInt8](repeating: 0x90, count: 3000) + M.out(0x10) + M.hlt, change: change)
    unsafe ckvm_set_interrupt_window(machine.engine.vcpu.run, 1)
    while true {
      guard case .nothing = try machine.engine.enter() else { return false }
      guard unsafe ckvm_exit_reason(machine.engine.vcpu.run) == UInt32(KVM_EXIT_IRQ_WINDOW_OPEN) else { continue }
      return try machine.engine.registers().rip == ProbeGuest.kernel + bytes
    }
  }
}
