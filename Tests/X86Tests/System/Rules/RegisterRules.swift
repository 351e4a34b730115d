import GuestMemory
import VMMCore

@testable import X86

extension SystemRule {
  private static func cr(_ number: UInt8, _ value: UInt64, _ right: Outcome, _ subject: String) -> SystemRule {
    let code: [UInt8] = number < 8 ? [0x0f, 0x22, 0xc0 | number << 3] : [0x44, 0x0f, 0x22, 0xc0 | (number - 8) << 3]
    return SystemRule(
      subject: "mov cr\(number): \(subject)", section: "vol. 3, 2.5", code: code, right: right,
      registers: [value, 0, 0])
  }

  static let controlRegisters = [
    cr(0, 0x8001_0033, .passes, "as it is"),
    cr(0, 0x1_8001_0033, gp(), "upper half"),
    cr(0, 0x8001_0032, gp(), "PG without PE"),
    cr(0, 0xa001_0033, gp(), "NW without CD"),
    cr(0, 0xe001_0033, .passes, "NW and CD"),
    cr(0, 0x0001_0033, gp(), "PG off in 64-bit code"),
    cr(0, 0x8001_0073, .passes, "a reserved bit below 32 is ignored"),
    cr(2, .max, .passes, "anything"),
    cr(3, Machine.tables | 0xfff, .passes, "low bits"),
    cr(3, Machine.tables | 1 << 52, gp(), "reserved bit"),
    cr(3, Machine.tables | 1 << 63, gp(), "bit 63 without PCIDE"),
    cr(4, 0x620, .passes, "as it is"),
    cr(4, 0x600, gp(), "PAE off in long mode"),
    cr(4, 0x621, gp(), "VME is not offered"),
    cr(4, 0x622, gp(), "PVI is not offered"),
    cr(4, 0x2_0620, gp(), "PCIDE is not offered"),
    cr(4, 0x8000_0620, gp(), "reserved bit"),
    cr(4, 0x1_0000_0620, gp(), "upper half"),
    cr(8, 15, .passes, "the highest class"),
    cr(8, 16, gp(), "more than 15"),
    cr(1, 0, ud, "there is none"),
    cr(5, 0, ud, "there is none"),
    cr(9, 0, ud, "there is none"),
    SystemRule(
      subject: "mov from cr1", section: "vol. 3, 2.5", code: [0x0f, 0x20, 0xc8], right: ud),
    SystemRule(
      subject: "mov from cr0 in user mode", section: "vol. 3, 2.5", code: [0x0f, 0x20, 0xc0], user: true, right: gp()),
    SystemRule(
      subject: "mov from cr1 in user mode: #UD first", section: "vol. 3, 2.5", code: [0x0f, 0x20, 0xc8], user: true,
      right: ud),
    SystemRule(
      subject: "lmsw cannot clear PE", section: "vol. 2, LMSW", code: [0x0f, 0x01, 0xf0], right: .passes),
    SystemRule(subject: "lmsw in user mode", section: "vol. 2", code: [0x0f, 0x01, 0xf0], user: true, right: gp()),
    SystemRule(subject: "clts in user mode", section: "vol. 2", code: [0x0f, 0x06], user: true, right: gp()),
  ]

  private static func dr(
    _ code: [UInt8], _ right: Outcome, _ subject: String, value: UInt64 = 0, user: Bool = false, dr7: UInt64 = 0x400,
    de: Bool = false
  ) -> SystemRule {
    SystemRule(
      subject: "mov dr: \(subject)", section: "vol. 3, 17.2", code: code, user: user, right: right,
      registers: [value, 0, 0],
      prepare: {
        $0.dr7 = dr7
        if de { $0.cr4 |= CR4.de }
      })
  }

  static let debugRegisters = [
    dr([0x0f, 0x21, 0xe0], .passes, "dr4 is dr6"),
    dr([0x0f, 0x21, 0xe0], ud, "dr4 under CR4.DE", de: true),
    dr([0x0f, 0x23, 0xe8], .passes, "dr5 is dr7"),
    dr([0x0f, 0x23, 0xe8], ud, "dr5 under CR4.DE", de: true),
    dr([0x0f, 0x23, 0xe8], ud, "dr5 under CR4.DE in user mode", user: true, de: true),
    dr([0x44, 0x0f, 0x21, 0xc0], ud, "dr8"),
    dr([0x0f, 0x23, 0xf8], gp(), "upper half of dr7", value: 1 << 32),
    dr([0x0f, 0x23, 0xf0], gp(), "upper half of dr6", value: 1 << 32),
    dr([0x0f, 0x23, 0xc0], .passes, "dr0 takes any address", value: 1 << 63),
    dr([0x0f, 0x21, 0xc0], gp(), "user mode", user: true),
    dr([0x0f, 0x21, 0xc0], .fault(1, nil), "GD", dr7: 0x2400),
    dr([0x0f, 0x23, 0xf8], .fault(1, nil), "GD, writing dr7", dr7: 0x2400),
    dr([0x0f, 0x21, 0xc0], gp(), "GD in user mode: #GP first", user: true, dr7: 0x2400),
    dr([0x0f, 0x21, 0xe0], ud, "GD and dr4 under CR4.DE: #UD first", dr7: 0x2400, de: true),
  ]

  private static func wrmsr(_ index: UInt32, _ value: UInt64, _ right: Outcome, _ subject: String) -> SystemRule {
    SystemRule(
      subject: "wrmsr \(subject)", section: "vol. 3, 2.2.1 and vol. 4", code: [0x0f, 0x30], right: right,
      registers: [value & 0xffff_ffff, UInt64(index), value >> 32])
  }

  static let modelRegisters = [
    wrmsr(0xc000_0080, 0xd01, .passes, "EFER"),
    wrmsr(0xc000_0080, 0x1_0000_0d00, gp(), "EFER, upper half"),
    wrmsr(0xc000_0080, 0xd02, gp(), "EFER, reserved bit"),
    wrmsr(0xc000_0080, 0x1d00, gp(), "EFER, SVME is not offered"),
    wrmsr(0xc000_0080, 0xc00, gp(), "EFER.LME under paging"),
    wrmsr(0xc000_0082, 0x8000_0000_0000, gp(), "LSTAR, not canonical"),
    wrmsr(0xc000_0083, 0x8000_0000_0000, gp(), "CSTAR, not canonical"),
    wrmsr(0xc000_0100, 0x8000_0000_0000, gp(), "FS.base, not canonical"),
    wrmsr(0xc000_0101, 0x8000_0000_0000, gp(), "GS.base, not canonical"),
    wrmsr(0xc000_0102, 0x8000_0000_0000, gp(), "KERNEL_GS_BASE, not canonical"),
    wrmsr(0xc000_0103, 1 << 32, gp(), "TSC_AUX, upper half"),
    wrmsr(0x175, 0x8000_0000_0000, gp(), "SYSENTER_ESP, not canonical"),
    wrmsr(0x176, 0x8000_0000_0000, gp(), "SYSENTER_EIP, not canonical"),
    wrmsr(0x277, 0x2, gp(), "PAT, type 2"),
    wrmsr(0x277, 0x0007_0406_0007_0406, .passes, "PAT"),
    wrmsr(0x1b, 0xfee0_0d00, gp(), "APIC_BASE, x2APIC is not offered"),
    wrmsr(0x1b, 0xfee0_0801, gp(), "APIC_BASE, reserved bit"),
    SystemRule(
      subject: "rdmsr in user mode", section: "vol. 2", code: [0x0f, 0x32], user: true, right: gp(),
      registers: [0, 0xc000_0080, 0]),
    SystemRule(
      subject: "wrmsr in user mode", section: "vol. 2", code: [0x0f, 0x30], user: true, right: gp(),
      registers: [0, 0xc000_0080, 0]),
    SystemRule(subject: "rdpmc", section: "vol. 2", code: [0x0f, 0x33], right: gp()),
    SystemRule(
      subject: "xgetbv without OSXSAVE", section: "vol. 2", code: [0x0f, 0x01, 0xd0], right: ud),
    SystemRule(
      subject: "xsetbv without OSXSAVE", section: "vol. 2", code: [0x0f, 0x01, 0xd1], user: true, right: ud),
  ]

  /// INVPCID with its type in RAX and its descriptor at 0x9000.
  private static func invpcid(
    _ type: UInt64, context: UInt64, linear: UInt64 = 0, enabled: Bool = false, user: Bool = false, _ right: Outcome
  ) -> SystemRule {
    SystemRule(
      subject: "invpcid of type \(type), context \(context), at \(String(linear, radix: 16))",
      section: "vol. 2, INVPCID", code: [0x66, 0x0f, 0x38, 0x82, 0x01], user: user, cpu: "default,+pcid,+invpcid",
      right: right, registers: [type, 0x9000, 0], prepare: { if enabled { $0.cr4 |= CR4.pcide } },
      arrange: {
        $0.memory.store(context, at: GuestPhysicalAddress(0x9000))
        $0.memory.store(linear, at: GuestPhysicalAddress(0x9008))
      })
  }

  static let contexts = [
    invpcid(0, context: 0, .passes),
    invpcid(0, context: 1, gp()),
    invpcid(1, context: 1, gp()),
    invpcid(2, context: 1, .passes),
    invpcid(3, context: 1, .passes),
    invpcid(4, context: 0, gp()),
    invpcid(0, context: 1, enabled: true, .passes),
    invpcid(1, context: 1, enabled: true, .passes),
    invpcid(1, context: 0x1000, enabled: true, gp()),
    invpcid(2, context: 0x1000, gp()),
    invpcid(0, context: 0, linear: 1 << 63, gp()),
    invpcid(1, context: 0, linear: 1 << 63, .passes),
    invpcid(0, context: 0, user: true, gp()),
    SystemRule(
      subject: "mov cr4: PCIDE with a context in CR3", section: "vol. 3, 4.10.1", code: [0x0f, 0x22, 0xe0],
      cpu: "default,+pcid", right: gp(), registers: [0x2_0620, 0, 0], prepare: { $0.cr3 |= 1 }),
    SystemRule(
      subject: "mov cr4: PCIDE", section: "vol. 3, 4.10.1", code: [0x0f, 0x22, 0xe0], cpu: "default,+pcid",
      right: .passes, registers: [0x2_0620, 0, 0]),
    SystemRule(
      subject: "mov cr3: bit 63 under PCIDE", section: "vol. 3, 4.10.4.1", code: [0x0f, 0x22, 0xd8],
      cpu: "default,+pcid", right: .passes, registers: [Machine.tables | 1 << 63 | 7, 0, 0],
      prepare: { $0.cr4 |= CR4.pcide }),
    SystemRule(
      subject: "xsetbv without the x87", section: "vol. 2, XSETBV", code: [0x0f, 0x01, 0xd1], cpu: "default,+xsave",
      right: gp(), registers: [2, 0, 0], prepare: { $0.cr4 |= CR4.osxsave }),
    SystemRule(
      subject: "xsetbv of the x87 and SSE", section: "vol. 2, XSETBV", code: [0x0f, 0x01, 0xd1], cpu: "default,+xsave",
      right: .passes, registers: [3, 0, 0], prepare: { $0.cr4 |= CR4.osxsave }),
    SystemRule(
      subject: "xsetbv of AVX, which is not offered", section: "vol. 2, XSETBV", code: [0x0f, 0x01, 0xd1],
      cpu: "default,+xsave", right: gp(), registers: [7, 0, 0], prepare: { $0.cr4 |= CR4.osxsave }),
    SystemRule(
      subject: "xsetbv of register 1", section: "vol. 2, XSETBV", code: [0x0f, 0x01, 0xd1], cpu: "default,+xsave",
      right: gp(), registers: [3, 1, 0], prepare: { $0.cr4 |= CR4.osxsave }),
    SystemRule(
      subject: "rdtscp under TSD in user mode", section: "vol. 2, RDTSCP", code: [0x0f, 0x01, 0xf9], user: true,
      cpu: "default,+tsc,+rdtscp", right: gp(), prepare: { $0.cr4 |= CR4.tsd }),
  ]
}
