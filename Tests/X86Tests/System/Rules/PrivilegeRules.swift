import VMMCore

@testable import X86

extension SystemRule {
  private static func inUser(
    _ subject: String, _ code: [UInt8], _ right: Outcome,
    _ prepare: @escaping @Sendable (inout CPUState) -> Void = { _ in }
  ) -> SystemRule {
    SystemRule(
      subject: "\(subject) in user mode", section: "vol. 3, 5.9", code: code, user: true, right: right,
      prepare: prepare,
      arrange: { $0.closePorts() })
  }

  private static func inKernel(
    _ subject: String, _ code: [UInt8], _ right: Outcome,
    _ prepare: @escaping @Sendable (inout CPUState) -> Void = { _ in }
  ) -> SystemRule {
    SystemRule(subject: subject, section: "vol. 2", code: code, right: right, prepare: prepare)
  }

  static let privileges = [
    inUser("hlt", [0xf4], gp()),
    inUser("cli", [0xfa], gp()),
    inUser("sti", [0xfb], gp()),
    inUser("cli under IOPL 3", [0xfa], .passes) { $0.rflags |= RFlags.iopl },
    inUser("sti under IOPL 3", [0xfb], .passes) { $0.rflags |= RFlags.iopl },
    inUser("in al, 0x60", [0xe4, 0x60], gp()),
    inUser("rep insb of no bytes", [0xf3, 0x6c], gp()),
    inUser("invlpg", [0x0f, 0x01, 0x38], gp()),
    inUser("wbinvd", [0x0f, 0x09], gp()),
    inUser("invd", [0x0f, 0x08], gp()),
    inUser("swapgs", [0x0f, 0x01, 0xf8], gp()),
    inUser("lgdt", [0x0f, 0x01, 0x10], gp()),
    inUser("lidt", [0x0f, 0x01, 0x18], gp()),
    inUser("lldt", [0x0f, 0x00, 0xd0], gp()),
    inUser("ltr", [0x0f, 0x00, 0xd8], gp()),
    inUser("smsw", [0x0f, 0x01, 0xe0], .passes),
    inUser("smsw under UMIP", [0x0f, 0x01, 0xe0], gp()) { $0.cr4 |= CR4.umip },
    inUser("sldt under UMIP", [0x0f, 0x00, 0xc0], gp()) { $0.cr4 |= CR4.umip },
    inUser("str under UMIP", [0x0f, 0x00, 0xc8], gp()) { $0.cr4 |= CR4.umip },
    inUser("sgdt under UMIP", [0x0f, 0x01, 0x00], gp()) { $0.cr4 |= CR4.umip },
    inUser("sidt under UMIP", [0x0f, 0x01, 0x08], gp()) { $0.cr4 |= CR4.umip },
    inKernel("smsw under UMIP", [0x0f, 0x01, 0xe0], .passes) { $0.cr4 |= CR4.umip },
    inUser("sysret", [0x0f, 0x07], gp()) { $0.efer |= EFER.sce },
    inUser("sysret without SCE: #UD first", [0x0f, 0x07], ud),
    inUser("sysexit", [0x0f, 0x35], gp()),
    inUser("stac", [0x0f, 0x01, 0xcb], ud),
    inUser("clac", [0x0f, 0x01, 0xca], ud),
    inUser("rdtsc under TSD", [0x0f, 0x31], gp()) { $0.cr4 |= CR4.tsd },
    inKernel("stac", [0x0f, 0x01, 0xcb], .passes),
    inKernel("lock stac", [0xf0, 0x0f, 0x01, 0xcb], ud),
    inKernel("syscall without SCE", [0x0f, 0x05], ud),
    inKernel("sysenter in long mode, as on AMD's", [0x0f, 0x34], ud),
    inKernel("sysexit in long mode, as on AMD's", [0x0f, 0x35], ud),
    inKernel("rdfsbase without FSGSBASE", [0xf3, 0x48, 0x0f, 0xae, 0xc0], ud),
    inKernel("rdtscp is not offered", [0x0f, 0x01, 0xf9], ud),
    inKernel("monitor is not offered", [0x0f, 0x01, 0xc8], ud),
    inKernel("mwait is not offered", [0x0f, 0x01, 0xc9], ud),
    inKernel("invpcid is not offered", [0x66, 0x0f, 0x38, 0x82, 0x00], ud),
    inKernel("vmcall", [0x0f, 0x01, 0xc1], ud),
    inKernel("vmmcall", [0x0f, 0x01, 0xd9], ud),
    inKernel("vmrun", [0x0f, 0x01, 0xd8], ud),
    inKernel("rsm", [0x0f, 0xaa], ud),
    inKernel("lgdt of a register", [0x0f, 0x01, 0xd0], ud),
    inKernel("invlpg of a register", [0x0f, 0x01, 0xf9], ud),
    inKernel("invlpg, not canonical", [0x0f, 0x01, 0x38], .passes) { $0.gpr[0] = 1 << 63 },
    inKernel("arpl is movsxd", [0x63, 0xc0], .passes),
    inKernel("lock mov", [0xf0, 0x89, 0x00], ud),
    inKernel("lock add of a register", [0xf0, 0x01, 0xc0], ud),
    inKernel("lock cmp", [0xf0, 0x39, 0x00], ud),
    inKernel("popf with IOPL and VIF", [0x9d], .passes),
    inKernel("icebp", [0xf1], .trap(1)),
    inKernel("int3", [0xcc], .trap(3)),
    inKernel("15 bytes", [UInt8](repeating: 0x66, count: 14) + [0x90], .passes),
    inKernel("16 bytes", [UInt8](repeating: 0x66, count: 15) + [0x90], gp()),
    inUser("push cs", [0x0e], ud),
    inUser("les", [0xc4, 0x00], ud),
    inUser("bound", [0x62, 0x00], ud),
    inUser("aaa", [0x37], ud),
    inUser("into", [0xce], ud),
    inUser("call far, direct", [0x9a, 0, 0, 0, 0, 0, 0], ud),
  ]

  private static func x87(
    _ subject: String, _ code: [UInt8], _ right: Outcome, cr0: UInt64 = 0, without: UInt64 = 0,
    prepare: @escaping @Sendable (inout CPUState) -> Void = { _ in }
  ) -> SystemRule {
    SystemRule(
      subject: subject, section: "vol. 3, 2.5 and table 13-1", code: code, right: right,
      prepare: {
        $0.cr0 = ($0.cr0 | cr0) & ~without
        prepare(&$0)
      })
  }

  /// An unmasked division by zero waits.
  private static let withError: @Sendable (inout CPUState) -> Void = {
    $0.fcw = 0x37b
    $0.fsw = 0x8084
  }

  static let coprocessor = [
    x87("fld1 under EM", [0xd9, 0xe8], nm, cr0: CR0.em),
    x87("fld1 under TS", [0xd9, 0xe8], nm, cr0: CR0.ts),
    x87("fwait under TS and MP", [0x9b], nm, cr0: CR0.ts | CR0.mp),
    x87("fwait under TS alone", [0x9b], .passes, cr0: CR0.ts, without: CR0.mp),
    x87("fwait under EM alone", [0x9b], .passes, cr0: CR0.em),
    x87("emms under EM", [0x0f, 0x77], ud, cr0: CR0.em),
    x87("emms under TS", [0x0f, 0x77], nm, cr0: CR0.ts),
    x87("emms under EM and TS", [0x0f, 0x77], ud, cr0: CR0.em | CR0.ts),
    x87("addps under EM", [0x0f, 0x58, 0xc1], ud, cr0: CR0.em),
    x87("addps under TS", [0x0f, 0x58, 0xc1], nm, cr0: CR0.ts),
    x87("addps without OSFXSR", [0x0f, 0x58, 0xc1], ud) { $0.cr4 &= ~CR4.osfxsr },
    x87("addps without OSFXSR under TS", [0x0f, 0x58, 0xc1], ud, cr0: CR0.ts) { $0.cr4 &= ~CR4.osfxsr },
    x87("fxsave under TS", [0x0f, 0xae, 0x00], nm, cr0: CR0.ts),
    x87("fxsave under EM", [0x0f, 0xae, 0x00], nm, cr0: CR0.em),
    x87("fxsave, misaligned", [0x0f, 0xae, 0x40, 0x08], gp()),
    x87("ldmxcsr of a reserved bit", [0x0f, 0xae, 0x10], gp()) {
      // The word is taken from the code itself.
      $0.gpr[0] = SystemMachine.code
    },
    x87("movaps, misaligned", [0x0f, 0x28, 0x40, 0x08], gp()),
    x87("movaps, misaligned, under TS: #NM first", [0x0f, 0x28, 0x40, 0x08], nm, cr0: CR0.ts),
    x87("sfence under EM and TS", [0x0f, 0xae, 0xf8], .passes, cr0: CR0.em | CR0.ts),
    x87("movnti under TS", [0x0f, 0xc3, 0x00], .passes, cr0: CR0.ts) { $0.gpr[0] = 0x9000 },
    x87("popcnt under EM and TS", [0xf3, 0x0f, 0xb8, 0xc0], .passes, cr0: CR0.em | CR0.ts),
    x87("fwait with an error", [0x9b], .fault(16, nil), prepare: withError),
    x87("fld1 with an error", [0xd9, 0xe8], .fault(16, nil), prepare: withError),
    x87("emms with an error", [0x0f, 0x77], .fault(16, nil), prepare: withError),
    x87("fnclex with an error", [0xdb, 0xe2], .passes, prepare: withError),
    x87("fnstsw with an error", [0xdf, 0xe0], .passes, prepare: withError),
    x87("addps with an error", [0x0f, 0x58, 0xc1], .passes, prepare: withError),
    x87("fwait with an error under TS and MP: #NM first", [0x9b], nm, cr0: CR0.ts | CR0.mp, prepare: withError),
    x87("fwait with an error, no NE, nobody listens", [0x9b], .passes, without: CR0.ne, prepare: withError),
    x87("divps by zero, unmasked", [0x0f, 0x5e, 0xc1], .fault(19, nil)) {
      $0.mxcsr = 0
      $0.xmm[0] = 0x3f80_0000
    },
    x87("divps by zero, unmasked, without OSXMMEXCPT", [0x0f, 0x5e, 0xc1], ud) {
      $0.mxcsr = 0
      $0.xmm[0] = 0x3f80_0000
      $0.cr4 &= ~CR4.osxmmexcpt
    },
  ]
}
