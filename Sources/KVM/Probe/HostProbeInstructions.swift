internal import GuestMemory
internal import VMMCore

// What the guest can execute.
extension HostProbe {
  private typealias M = MachineCode

  /// Instructions that operating systems and their compilers use in kernel mode.
  private static let samples: [(name: String, code: [UInt8])] = [
    ("PXOR", [0x66, 0x0f, 0xef, 0xc0]), ("MOVQ xmm", [0x66, 0x48, 0x0f, 0x6e, 0xc0]),
    ("POPCNT", [0xf3, 0x48, 0x0f, 0xb8, 0xc0]),
    ("FLD1", [0xd9, 0xe8]), ("CMPXCHG16B", [0x48, 0x0f, 0xc7, 0x0f]), ("CRC32", [0xf2, 0x48, 0x0f, 0x38, 0xf1, 0xc0]),
    ("LAR", [0x0f, 0x02, 0xc0]), ("STMXCSR", [0x0f, 0xae, 0x1f]), ("XADD", [0x48, 0x0f, 0xc1, 0xc0]),
    ("CMPXCHG", [0x48, 0x0f, 0xb1, 0xc0]), ("BSWAP", [0x48, 0x0f, 0xc8]), ("MOVDQU", [0xf3, 0x0f, 0x6f, 0x07]),
  ]

  static func instructions() -> [HostFinding] {
    [
      finding("instructions.kernel") {
        let missing = try samples.filter { sample in
          let machine = try ProbeMachine(kernel: M.mov(.rdi, ProbeGuest.data) + sample.code + M.hlt)
          return try machine.engine.run(.free) != .halt
        }
        guard !missing.isEmpty else { return HostFinding("instructions.kernel", "all of the sample", .good) }
        return HostFinding(
          "instructions.kernel", "not emulated: " + missing.map(\.name).joined(separator: ", "), .limited,
          "the run needs the software engine for them")
      },
      finding("interrupt-instructions.kernel", otherwise: .limited, "INT3 in kernel mode needs the software engine") {
        try ProbeMachine(kernel: [0xcc]).firstWrite()?.port == 0x83
      },
      finding("interrupt-instructions.user", otherwise: .limited, "system calls by INT n arrive as #UD") {
        let machine = try ProbeMachine(user: [0xcd, 0x40])
        machine.guest.setHandler(0x40, M.out(0x20) + M.hlt)
        return try machine.firstWrite()?.port == 0x20
      },
      finding("syscall", otherwise: .limited, "system calls by SYSCALL arrive as page faults at the handler's address")
      {
        try syscallWorks()
      },
      finding("x87-errors.irq13") { try x87Errors() },
    ]
  }

  /// With CR0.NE clear, FWAIT behind an unmasked x87 error signals FERR#, of which a PC makes IRQ 13 (AMD APM vol. 2,
  /// 6.1.1 and 8.2.17). KVM has nothing to tell its user of that: only where its emulator gives the instruction up does
  /// the software engine see it.
  private static func x87Errors() throws -> HostFinding {
    let divide: [UInt8] =
      [0xdb, 0xe3]  // FNINIT
      + [0x66, 0xc7, 0x07, 0x7b, 0x03] + [0xd9, 0x2f]  // MOV word [RDI], 0x37b; FLDCW [RDI]: #Z is not masked
      + [0xd9, 0xe8] + [0xd9, 0xee] + [0xde, 0xf9] + [0x9b]  // FLD1; FLDZ; FDIVP; FWAIT
    let code = M.mov(.rdi, ProbeGuest.data) + divide + M.out(0x10) + M.hlt
    let machine = try ProbeMachine(kernel: code) { state in state.cr0 &= ~(1 << 5) }
    let name = "x87-errors.irq13"
    if case .notEmulated = try machine.engine.run(.free) {
      return HostFinding(name, "yes", .repaired, "by the software engine, which executes the x87")
    }
    return HostFinding(name, "no", .limited, "a guest that clears CR0.NE needs the software engine for its x87 errors")
  }

  static func syscallWorks() throws -> Bool {
    let entry = ProbeGuest.kernel + 0x400
    let machine = try ProbeMachine(user: M.syscall) { state in
      state.lstar = entry
      state.star = UInt64(ProbeGuest.kernelCode) << 32 | UInt64(ProbeGuest.kernelData | 3) << 48
    }
    // HLT is for kernel mode only.
    machine.guest.memory.write(M.out(0x20) + M.hlt, at: GuestPhysicalAddress(entry))
    guard try machine.firstWrite()?.port == 0x20 else { return false }
    return try machine.engine.run(.free) == .halt
  }
}
