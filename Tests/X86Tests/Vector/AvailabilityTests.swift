internal import GuestMemory
import Testing
internal import VMMCore

@testable internal import X86

/// Which fault keeps an x87, MMX or SSE instruction from running (Intel SDM vol. 3, tables 2-3, 13-1 and vol. 1, 11.6).
@Suite struct AvailabilityTests {
  static let fadd: [UInt8] = [0xd8, 0xc1]
  static let paddbMMX: [UInt8] = [0x0f, 0xfc, 0xc1]
  static let addps: [UInt8] = [0x0f, 0x58, 0xc1]
  static let fxsave: [UInt8] = [0x0f, 0xae, 0x03]
  static let fwait: [UInt8] = [0x9b]

  struct Case: Sendable {
    var code: [UInt8]
    var cr0: UInt64 = 0
    var cr4: UInt64 = 0x600
    var fsw: UInt64 = 0
    var vector: UInt8?
  }

  static let cases = [
    Case(code: fadd),
    Case(code: fadd, cr0: CR0.em, vector: 7),
    Case(code: fadd, cr0: CR0.ts, vector: 7),
    Case(code: fadd, cr0: CR0.ne, fsw: 0x80, vector: 16),
    Case(code: fadd, cr0: 0, fsw: 0x80),
    Case(code: fadd, cr0: CR0.ne | CR0.ts, fsw: 0x80, vector: 7),
    Case(code: fwait, cr0: CR0.ts),
    Case(code: fwait, cr0: CR0.ts | CR0.mp, vector: 7),
    Case(code: fwait, cr0: CR0.em),
    Case(code: fwait, cr0: CR0.ne, fsw: 0x80, vector: 16),
    Case(code: [0xdb, 0xe2], cr0: CR0.ne, fsw: 0x80),
    Case(code: paddbMMX, cr4: 0),
    Case(code: paddbMMX, cr0: CR0.em, vector: 6),
    Case(code: paddbMMX, cr0: CR0.ts, vector: 7),
    Case(code: paddbMMX, cr0: CR0.ne, fsw: 0x80, vector: 16),
    Case(code: addps),
    Case(code: addps, cr0: CR0.ne, fsw: 0x80),
    Case(code: addps, cr4: 0, vector: 6),
    Case(code: addps, cr0: CR0.em, vector: 6),
    Case(code: addps, cr0: CR0.em | CR0.ts, vector: 6),
    Case(code: addps, cr0: CR0.ts, vector: 7),
    Case(code: fxsave, cr4: 0),
    Case(code: fxsave, cr0: CR0.em, vector: 7),
    Case(code: fxsave, cr0: CR0.ts, vector: 7),
    Case(code: [0x0f, 0xae, 0x13], cr4: 0, vector: 6),
    Case(code: [0x0f, 0xae, 0x23], vector: 6),
    Case(code: [0x0f, 0xae, 0x23], cr4: 0x600 | CR4.osxsave),
    Case(code: [0x0f, 0xae, 0x23], cr0: CR0.ts, cr4: 0x600 | CR4.osxsave, vector: 7),
  ]

  @Test(arguments: cases)
  func `faults come by the control registers`(example: Case) throws {
    let machine = try Machine(.long64, code: example.code) {
      $0.cr0 |= example.cr0
      $0.cr4 = 0x20 | example.cr4
      $0.gpr[3] = 0x9000
    }
    machine.cpu[Slot.fsw] = example.fsw
    _ = machine.cpu.step()
    #expect(machine.cpu.pendingEvent?.vector == example.vector, "\(example)")
  }

  /// DIVPS of 1 by 0 with the exception unmasked.
  @Test(arguments: [(CR4.osfxsr | CR4.osxmmexcpt, UInt8(19)), (CR4.osfxsr, UInt8(6))])
  func `an unmasked SSE exception is XM or UD, and leaves the register`(cr4: UInt64, vector: UInt8) throws {
    let machine = try Machine(.long64, code: [0x0f, 0x5e, 0xc1]) {
      $0.cr4 = 0x20 | cr4
      $0.mxcsr = 0x1d80
      $0.xmm[0] = 0x3f80_0000_3f80_0000
      $0.xmm[1] = $0.xmm[0]
    }
    _ = machine.cpu.step()
    #expect(machine.cpu.pendingEvent?.vector == vector)
    #expect(machine.cpu.xmm(0) == V128(0x3f80_0000_3f80_0000, 0x3f80_0000_3f80_0000))
    #expect(machine.cpu[Slot.mxcsr] & 0x3f == 4)
  }

  /// A 16-byte operand that crosses into an unmapped page: nothing of it is stored.
  @Test func `a store that faults stores nothing`() throws {
    let machine = try Machine(.long64, code: [0x0f, 0x11, 0x03]) {
      $0.gpr[3] = 0x3fff_fff8
      $0.xmm[0] = .max
      $0.xmm[1] = .max
    }
    // The last page that is mapped lies where there is no memory: map it to the third MiB.
    machine.memory.store(UInt64(0x20_0087), at: .init(Machine.tables + 0x2000 + 8 * 511))
    machine.cpu.flushTLB()
    _ = machine.cpu.step()
    #expect(machine.cpu.pendingEvent?.vector == 14)
    #expect(machine.cpu.cr2 == 0x4000_0000)
    #expect(machine.load(0x3f_fff8, UInt64.self) == 0)
  }
}
