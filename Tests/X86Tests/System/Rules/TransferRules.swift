import GuestMemory
import VMMCore

@testable import X86

extension SystemRule {
  /// INT 0x21 through a gate to `selector`.
  private static func gate(
    _ subject: String, _ right: Outcome, low: UInt64 = 0x0000_ee00_0008_4210, high: UInt64 = 0, user: Bool = false,
    arrange: @escaping @Sendable (SystemMachine) -> Void = { _ in }
  ) -> SystemRule {
    SystemRule(
      subject: "int 0x21: \(subject)", section: "vol. 3, 6.12 to 6.14", code: [0xcd, 0x21], user: user, right: right,
      arrange: {
        $0.setGate(0x21, low, high)
        arrange($0)
      })
  }

  /// Error codes that name an entry of the interrupt table have bit 1 set, and bit 0 when no INT n was it.
  private static func entry(_ vector: UInt64, external: UInt64 = 0) -> UInt64 { vector << 3 | 2 | external }

  static let gates = [
    gate("as it should be", .trap(0x21)),
    gate("DPL 0 in user mode", gp(entry(0x21)), low: 0x0000_8e00_0008_4210, user: true),
    gate("DPL 0 and not present in user mode: #GP first", gp(entry(0x21)), low: 0x0000_0e00_0008_4210, user: true),
    gate("not present", np(entry(0x21)), low: 0x0000_6e00_0008_4210),
    gate("a call gate", gp(entry(0x21)), low: 0x0000_ec00_0008_4210),
    gate("a task gate", gp(entry(0x21)), low: 0x0000_e500_0008_4210),
    gate("a 16-bit gate", gp(entry(0x21)), low: 0x0000_e600_0008_4210),
    gate("null selector", gp(), low: 0x0000_ee00_0000_4210),
    gate("a data segment", gp(0x10), low: 0x0000_ee00_0010_4210),
    gate("32-bit code", gp(0x18), low: 0x0000_ee00_0018_4210),
    gate("beyond the table", gp(0x50), low: 0x0000_ee00_0050_4210),
    gate("code that is not present", np(0x40), low: 0x0000_ee00_0040_4210) {
      $0.setDescriptor(0x40, 0x00af_1b00_0000_ffff)
    },
    gate("an outer level", gp(0x28), low: 0x0000_ee00_0028_4210),
    gate("a handler that is not canonical", gp(), high: 0x8000),
    SystemRule(
      subject: "int 0x21 beyond the table's end", section: "vol. 3, 6.12", code: [0xcd, 0x21], right: gp(entry(0x21)),
      prepare: { $0.idtr.limit = 0x20f }),
    SystemRule(
      subject: "#UD whose gate is not present", section: "vol. 3, 6.13", code: [0x0f, 0x0b],
      right: np(entry(6, external: 1)), arrange: { $0.setGate(6, 0x0000_0e00_0008_4060) }),
    SystemRule(
      subject: "int1 whose gate is not present: EXT is set", section: "vol. 3, 6.13", code: [0xf1],
      right: np(entry(1, external: 1)), arrange: { $0.setGate(1, 0x0000_0e00_0008_4010) }),
    SystemRule(
      subject: "int1 does not ask for the gate's privilege", section: "vol. 2, INT1", code: [0xf1], user: true,
      right: .trap(1), arrange: { $0.setGate(1, 0x0000_8e00_0008_4010) }),
    SystemRule(
      subject: "int3 asks for the gate's privilege", section: "vol. 2, INT3", code: [0xcc], user: true,
      right: gp(entry(3)), arrange: { $0.setGate(3, 0x0000_8e00_0008_4030) }),
    SystemRule(
      subject: "#GP whose gate is not present: #DF", section: "vol. 3, table 6-5", code: [0x0f, 0x22, 0xc0],
      right: .fault(8, 0), arrange: { $0.setGate(13, 0x0000_0e00_0008_40d0) }),
    SystemRule(
      subject: "#UD whose handler's stack is not there: #PF", section: "vol. 3, table 6-5", code: [0x0f, 0x0b],
      right: .fault(14, 2),
      arrange: {
        $0.memory.store(UInt64(0x80_0000), at: GuestPhysicalAddress(SystemMachine.tss + 36))
        SystemMachine.setGate($0.memory, 6, ist: 1)
      }),
    SystemRule(
      subject: "#PF whose handler's stack is not there: #DF", section: "vol. 3, table 6-5", code: [0x8a, 0x00],
      right: .fault(8, 0), registers: [0x80_0000, 0, 0],
      arrange: {
        $0.memory.store(UInt64(0x80_0000), at: GuestPhysicalAddress(SystemMachine.tss + 36))
        SystemMachine.setGate($0.memory, 14, ist: 1)
      }),
    SystemRule(
      subject: "#UD whose handler's stack is not canonical: #SS", section: "vol. 3, 6.14", code: [0x0f, 0x0b],
      right: ss(1),
      arrange: {
        $0.memory.store(1 << 63 as UInt64, at: GuestPhysicalAddress(SystemMachine.tss + 36))
        SystemMachine.setGate($0.memory, 6, ist: 1)
      }),
    SystemRule(
      subject: "the interrupt stack lies beyond the TSS: #TS", section: "vol. 3, 6.14", code: [0x0f, 0x0b],
      right: .fault(10, 0x31), prepare: { $0.tr.limit = 0x23 },
      arrange: { SystemMachine.setGate($0.memory, 6, ist: 1) }),
    SystemRule(
      subject: "jmp far to a TSS", section: "vol. 2, JMP", code: [0xff, 0x28], right: gp(0x30),
      registers: [0x9000, 0, 0], arrange: { $0.memory.store(UInt64(0x30) << 32, at: .init(0x9000)) }),
    SystemRule(
      subject: "jmp far to null", section: "vol. 2, JMP", code: [0xff, 0x28], right: gp(),
      registers: [0x9000, 0, 0]),
    SystemRule(
      subject: "call far to data", section: "vol. 2, CALL", code: [0xff, 0x18], right: gp(0x10),
      registers: [0x9000, 0, 0], arrange: { $0.memory.store(UInt64(0x10) << 32, at: .init(0x9000)) }),
    SystemRule(
      subject: "call far to user code", section: "vol. 2, CALL", code: [0xff, 0x18], right: gp(0x28),
      registers: [0x9000, 0, 0], arrange: { $0.memory.store(UInt64(0x28) << 32, at: .init(0x9000)) }),
    SystemRule(
      subject: "jmp far beyond the limit of 32-bit code", section: "vol. 2, JMP", code: [0xff, 0x28], right: gp(),
      registers: [0x9000, 0, 0],
      arrange: {
        $0.setDescriptor(0x40, 0x0040_9b00_0000_0fff)
        $0.memory.store(UInt64(0x40) << 32 | 0x1000, at: .init(0x9000))
      }),
    SystemRule(
      subject: "jmp far to code with L and D", section: "vol. 2, JMP", code: [0xff, 0x28], right: gp(0x40),
      registers: [0x9000, 0, 0],
      arrange: {
        $0.setDescriptor(0x40, 0x00ef_9b00_0000_ffff)
        $0.memory.store(UInt64(0x40) << 32, at: .init(0x9000))
      }),
  ]

  private static func iret(
    _ subject: String, _ right: Outcome, _ stack: [UInt64], user: Bool = false,
    prepare: @escaping @Sendable (inout CPUState) -> Void = { _ in }
  ) -> SystemRule {
    SystemRule(
      subject: "iretq: \(subject)", section: "vol. 2, IRET", code: [0x48, 0xcf], user: user, right: right,
      prepare: prepare, arrange: { $0.setStack(stack) })
  }

  private static func retf(_ subject: String, _ right: Outcome, _ stack: [UInt64], user: Bool = false) -> SystemRule {
    SystemRule(
      subject: "retfq: \(subject)", section: "vol. 2, RET", code: [0x48, 0xcb], user: user, right: right,
      arrange: { $0.setStack(stack) })
  }

  private static let home = SystemMachine.code

  static let returns = [
    iret("to the same level", .passes, [home, 0x08, 2, 0x7000, 0x10]),
    iret("to user mode", .passes, [home, 0x2b, 2, 0x7000, 0x23]),
    iret("under NT", gp(), [home, 0x08, 2, 0x7000, 0x10]) { $0.rflags |= RFlags.nt },
    iret("null CS", gp(), [home, 0, 2, 0x7000, 0x10]),
    iret("data in CS", gp(0x10), [home, 0x10, 2, 0x7000, 0x10]),
    iret("CS beyond the table", gp(0x50), [home, 0x50, 2, 0x7000, 0x10]),
    iret("an inner level", gp(0x08), [home, 0x08, 2, 0x7000, 0x10], user: true),
    iret("RPL and DPL of CS differ", gp(0x08), [home, 0x0b, 2, 0x7000, 0x23]),
    iret("null SS in the kernel", .passes, [home, 0x08, 2, 0x7000, 0]),
    iret("null SS in user mode", gp(), [home, 0x2b, 2, 0x7000, 3]),
    iret("RPL of SS differs", gp(0x20), [home, 0x2b, 2, 0x7000, 0x20]),
    iret("SS of another level", gp(0x10), [home, 0x2b, 2, 0x7000, 0x13]),
    iret("SS is code", gp(0x28), [home, 0x2b, 2, 0x7000, 0x2b]),
    iret("SS is not present", ss(0x40), [home, 0x08, 2, 0x7000, 0x40]),
    iret("RIP is not canonical", gp(), [1 << 63, 0x08, 2, 0x7000, 0x10]),
    iret("the stack is not canonical", ss(), [], user: true) { $0.gpr[4] = 1 << 63 },
    iret("a reserved flag is ignored", .passes, [home, 0x08, 0xffff_ffff_0000_0002 & ~RFlags.vm, 0x7000, 0x10]),
    retf("to the same level", .passes, [home, 0x08]),
    retf("to user mode", .passes, [home, 0x2b, 0x7000, 0x23]),
    retf("null CS", gp(), [home, 0]),
    retf("an inner level", gp(0x08), [home, 0x08], user: true),
    retf("null SS in user mode", gp(), [home, 0x2b, 0x7000, 3]),
    retf("RIP is not canonical", gp(), [1 << 63, 0x08]),
    retf("data that is not present: #GP first", gp(0x40), [home, 0x40]),
  ]

  private static func access(
    _ subject: String, _ code: [UInt8], _ right: Outcome, prepare: @escaping @Sendable (inout CPUState) -> Void
  ) -> SystemRule {
    SystemRule(subject: subject, section: "vol. 3, 3.3.7.1", code: code, user: true, right: right, prepare: prepare)
  }

  /// Addresses that are not canonical: #SS where the stack segment is used, #GP elsewhere.
  static let addresses = [
    access("mov rax, [rax]", [0x48, 0x8b, 0x00], gp()) { $0.gpr[0] = 1 << 63 },
    access("mov rax, [rbp]", [0x48, 0x8b, 0x45, 0x00], ss()) { $0.gpr[5] = 1 << 63 },
    access("mov rax, ds:[rbp]: the prefix is ignored", [0x3e, 0x48, 0x8b, 0x45, 0x00], ss()) { $0.gpr[5] = 1 << 63 },
    access("mov rax, [rsp]", [0x48, 0x8b, 0x04, 0x24], ss()) { $0.gpr[4] = 1 << 63 },
    access("mov rax, fs:[rbp]", [0x64, 0x48, 0x8b, 0x45, 0x00], gp()) { $0.gpr[5] = 1 << 63 },
    access("push", [0x50], ss()) { $0.gpr[4] = 1 << 63 },
    access("pop", [0x58], ss()) { $0.gpr[4] = 1 << 63 },
    access("call", [0xe8, 0, 0, 0, 0], ss()) { $0.gpr[4] = 1 << 63 },
    access("ret", [0xc3], ss()) { $0.gpr[4] = 1 << 63 },
    access("leave", [0xc9], ss()) { $0.gpr[5] = 1 << 63 },
    access("pushf", [0x9c], ss()) { $0.gpr[4] = 1 << 63 },
    access("movs", [0xa4], gp()) { $0.gpr[6] = 1 << 63 },
    access("jmp rax", [0xff, 0xe0], gp()) { $0.gpr[0] = 1 << 63 },
    access("call rax: nothing is pushed", [0xff, 0xd0], gp()) { $0.gpr[0] = 1 << 63 },
    access("across the end of the canonical half", [0x48, 0x8b, 0x00], gp()) { $0.gpr[0] = 0x7fff_ffff_fffc },
  ]
}
