internal import GuestMemory
import Testing
internal import VMMCore

@testable internal import X86

/// The environment's formats outside 64-bit code (Intel SDM vol. 1, figures 8-9 to 8-12), and the way back.
@Suite struct EnvironmentFormatTests {
  /// FLD1, then FNSTENV at 0x9000.
  @Test func `real mode, 16 bits`() throws {
    let machine = try Machine(.real16, code: [0xd9, 0xe8, 0xd9, 0x36, 0x00, 0x90])
    #expect(machine.run(2) == .limit)
    #expect(words(machine, 7) == [0x37f, 0x3800, 0x3fff, 0x8000, 0x01e8, 0, 0])
  }

  @Test func `real mode, 32 bits`() throws {
    let machine = try Machine(.real16, code: [0xd9, 0xe8, 0x66, 0xd9, 0x36, 0x00, 0x90])
    #expect(machine.run(2) == .limit)
    let expected: [UInt32] = [0xffff_037f, 0xffff_3800, 0xffff_3fff, 0xffff_8000, 0x1e8, 0xffff_0000, 0]
    #expect(longs(machine, 7) == expected)
  }

  @Test func `protected mode, 32 bits`() throws {
    let machine = try Machine(.protected32, code: [0xd9, 0xe8, 0xd9, 0x35, 0x00, 0x90, 0, 0])
    #expect(machine.run(2) == .limit)
    #expect(longs(machine, 7) == [0xffff_037f, 0xffff_3800, 0xffff_3fff, 0x8000, 0x01e8_0000, 0, 0xffff_0000])
  }

  /// FNSAVE, FRSTOR: everything is as it was, and in between as after FNINIT.
  @Test(arguments: [[UInt8](), [0x66]])
  func `what was saved is restored`(prefix: [UInt8]) throws {
    let code: [UInt8] =
      [0xd9, 0xeb, 0xd9, 0xe8] + prefix + [0xdd, 0x35, 0, 0x90, 0, 0] + prefix + [0xdd, 0x25, 0, 0x90, 0, 0]
    let machine = try Machine(.protected32, code: code)
    #expect(machine.run(2) == .limit)
    let unit = X87Unit(machine.cpu)
    let before = [unit.st(0), unit.st(1)]
    #expect(machine.run(1) == .limit)
    #expect(unit.top == 0 && machine.cpu[Slot.ftw] == 0 && unit.control == 0x37f)
    #expect(machine.run(1) == .limit)
    #expect(unit.top == 6 && machine.cpu[Slot.ftw] == 0xc0)
    #expect([unit.st(0), unit.st(1)] == before)
  }

  /// Eight XMM registers and 32-bit pointers: what lies behind them in the area stays.
  @Test func `FXSAVE outside 64-bit code`() throws {
    let machine = try Machine(.protected32, code: [0x0f, 0xae, 0x05, 0, 0x90, 0, 0])
    for number in 0..<16 { machine.cpu.setXMM(number, V128(UInt64(number) + 1, .max)) }
    machine.memory.store(UInt64(0x1234), at: .init(0x9000 + 288))
    #expect(machine.run(1) == .limit)
    #expect(machine.load(0x9000 + 160, UInt64.self) == 1)
    #expect(machine.load(0x9000 + 272, UInt64.self) == 8)
    #expect(machine.load(0x9000 + 288, UInt64.self) == 0x1234)
    #expect(machine.load(0x901c, UInt32.self) == 0xffff)
  }

  private func words(_ machine: Machine, _ count: UInt64) -> [UInt16] {
    (0..<count).map { machine.load(0x9000 + 2 * $0, UInt16.self) }
  }

  private func longs(_ machine: Machine, _ count: UInt64) -> [UInt32] {
    (0..<count).map { machine.load(0x9000 + 4 * $0, UInt32.self) }
  }
}
