import GuestMemory
import VMMCore

@testable import X86

extension SystemRule {
  /// A descriptor that rules put at selector 0x40.
  private static func load(
    _ subject: String, _ selector: UInt64, _ code: [UInt8], _ right: Outcome, descriptor: UInt64? = nil,
    user: Bool = false
  ) -> SystemRule {
    SystemRule(
      subject: subject, section: "vol. 2, MOV; vol. 3, 5.4 to 5.7", code: code, user: user, right: right,
      registers: [selector, 0, 0],
      arrange: { machine in descriptor.map { machine.setDescriptor(0x40, $0) } })
  }

  private static let toDS: [UInt8] = [0x8e, 0xd8]
  private static let toSS: [UInt8] = [0x8e, 0xd0]
  private static let toFS: [UInt8] = [0x8e, 0xe0]

  static let segmentLoads = [
    load("mov ds, null", 0, toDS, .passes),
    load("mov ds, null with an RPL", 3, toDS, .passes),
    load("mov ss, null in the kernel", 0, toSS, .passes),
    load("mov ss, null with another RPL", 3, toSS, gp()),
    load("mov ss, null in user mode", 3, toSS, gp(), user: true),
    load("mov ds, beyond the table", 0x50, toDS, gp(0x50)),
    load("mov ds, beyond the table: the code has no RPL", 0x53, toDS, gp(0x50)),
    load("mov ds, in an LDT that is not there", 0x0c, toDS, gp(0x0c)),
    load("mov ds, data", 0x40, toDS, .passes, descriptor: 0x00cf_9300_0000_ffff),
    load("mov ds, read-only data", 0x40, toDS, .passes, descriptor: 0x00cf_9100_0000_ffff),
    load("mov ds, code that can be read", 0x40, toDS, .passes, descriptor: 0x00af_9b00_0000_ffff),
    load("mov ds, code that cannot be read", 0x40, toDS, gp(0x40), descriptor: 0x00af_9900_0000_ffff),
    load("mov ds, a system segment", 0x40, toDS, gp(0x40), descriptor: 0x0000_8200_0000_ffff),
    load("mov ds, not present", 0x40, toDS, np(0x40)),
    load("mov ds, of the kernel in user mode", 0x40, toDS, gp(0x40), descriptor: 0x00cf_9300_0000_ffff, user: true),
    load(
      "mov ds, of the kernel and not present in user mode: #GP first", 0x40, toDS, gp(0x40),
      descriptor: 0x00cf_1300_0000_ffff, user: true),
    load(
      "mov ds, conforming code of the kernel in user mode", 0x40, toDS, .passes, descriptor: 0x00af_9f00_0000_ffff,
      user: true),
    load("mov ds, RPL 3 of DPL 0", 0x43, toDS, gp(0x40), descriptor: 0x00cf_9300_0000_ffff),
    load("mov fs, data of level 3", 0x23, toFS, .passes),
    load("mov ss, data of level 3 in the kernel", 0x23, toSS, gp(0x20)),
    load("mov ss, read-only data", 0x40, toSS, gp(0x40), descriptor: 0x00cf_9100_0000_ffff),
    load("mov ss, code", 0x08, toSS, gp(0x08)),
    load("mov ss, not present", 0x40, toSS, ss(0x40)),
    load("mov cs", 0x08, [0x8e, 0xc8], ud),
    load("mov to segment register 6", 0, [0x8e, 0xf0], ud),
    load("mov from segment register 7", 0, [0x8c, 0xf8], ud),
    load("lar of null", 0, [0x0f, 0x02, 0xc0], .passes),
    load("lsl of what is beyond the table", 0x58, [0x0f, 0x03, 0xc0], .passes),
    SystemRule(
      subject: "lss of null in the kernel", section: "vol. 2, LDS", code: [0x48, 0x0f, 0xb2, 0x20], right: .passes,
      registers: [0x9000, 0, 0]),
    SystemRule(
      subject: "lss of a register", section: "vol. 2, LDS", code: [0x0f, 0xb2, 0xc0], right: ud),
    SystemRule(
      subject: "pop fs, not present", section: "vol. 2, POP", code: [0x0f, 0xa1], right: np(0x40),
      arrange: { $0.setStack([0x40]) }),
  ]

  private static let notCanonical: UInt64 = 0xaaaa_aaaa

  /// LLDT and LTR of selector 0x38, whose descriptor has 16 bytes.
  private static func table(
    _ subject: String, _ selector: UInt64, _ code: [UInt8], _ right: Outcome, low: UInt64 = 0, high: UInt64 = 0
  ) -> SystemRule {
    SystemRule(
      subject: subject, section: "vol. 2, LLDT and LTR", code: code, right: right, registers: [selector, 0, 0],
      arrange: { $0.setDescriptor(0x38, low, high) })
  }

  private static let lldt: [UInt8] = [0x0f, 0x00, 0xd0]
  private static let ltr: [UInt8] = [0x0f, 0x00, 0xd8]

  static let tables = [
    table("lldt of null", 0, lldt, .passes),
    table("lldt of null with an RPL", 3, lldt, .passes),
    table("lldt in an LDT", 0x0c, lldt, gp(0x0c)),
    table("lldt", 0x38, lldt, .passes, low: 0x0000_8200_0000_ffff),
    table("lldt of a TSS", 0x38, lldt, gp(0x38), low: 0x0000_8900_0000_ffff),
    table("lldt of data", 0x38, lldt, gp(0x38), low: 0x0000_9300_0000_ffff),
    table("lldt, not present", 0x38, lldt, np(0x38), low: 0x0000_0200_0000_ffff),
    table("lldt, not canonical", 0x38, lldt, gp(0x38), low: 0x0000_8200_0000_ffff, high: notCanonical),
    table("lldt, the second half has a type", 0x38, lldt, gp(0x38), low: 0x0000_8200_0000_ffff, high: 0x1f00_0000_0000),
    table("lldt, half beyond the table", 0x48, lldt, gp(0x48)),
    table("ltr of null", 0, ltr, gp()),
    table("ltr in an LDT", 0x0c, ltr, gp(0x0c)),
    table("ltr", 0x38, ltr, .passes, low: 0x0000_8900_3000_0067),
    table("ltr, busy", 0x38, ltr, gp(0x38), low: 0x0000_8b00_3000_0067),
    table("ltr of a 16-bit TSS", 0x38, ltr, gp(0x38), low: 0x0000_8100_3000_0067),
    table("ltr, not present", 0x38, ltr, np(0x38), low: 0x0000_0900_3000_0067),
    table("ltr, not canonical", 0x38, ltr, gp(0x38), low: 0x0000_8900_3000_0067, high: notCanonical),
    SystemRule(
      subject: "lgdt, not canonical", section: "vol. 2, LGDT", code: [0x0f, 0x01, 0x10], right: gp(),
      registers: [0x9000, 0, 0], arrange: { $0.memory.store(1 << 63 as UInt64, at: .init(0x9002)) }),
    SystemRule(
      subject: "lidt, not canonical", section: "vol. 2, LIDT", code: [0x0f, 0x01, 0x18], right: gp(),
      registers: [0x9000, 0, 0], arrange: { $0.memory.store(1 << 63 as UInt64, at: .init(0x9002)) }),
  ]
}
