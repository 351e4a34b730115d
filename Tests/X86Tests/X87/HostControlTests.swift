import GuestMemory
import Testing
import VMMCore

@testable import X86

/// Translated x87 code runs under the guest's control word; code outside finds the host's as it was.
@Suite("The host's x87 control word")
struct HostControlTests {
  /// FLDCW of what lies at `word`, FLD1, FADD ST0, ST0, FSTP of it to `result`, and back to FLD1.
  private static let code: [UInt8] =
    [0xd9, 0x2c, 0x25, 0, 0x90, 0, 0, 0xd9, 0xe8, 0xd8, 0xc0, 0xdd, 0x1c, 0x25, 8, 0x90, 0, 0, 0xeb, 0xf3]
  private static let word = GuestPhysicalAddress(0x9000)
  private static let result = GuestPhysicalAddress(0x9008)

  @inline(never)
  private func quotient(_ a: Float80, _ b: Float80) -> UInt64 { (a / b).significandBitPattern }

  @Test(arguments: [UInt64(1), 2, 3, 4, 5, 6, 7, 1000])
  func `is its own again wherever a run ends`(count: UInt64) throws {
    let before = quotient(1, 3)
    // 53 bits, toward zero.
    let machine = try Machine(.long64, code: HostControlTests.code) { $0.fcw = 0x37f }
    machine.memory.store(UInt16(0xe7f), at: HostControlTests.word)
    machine.run(5)
    machine.cpu.rip = Machine.codeAddress
    machine.run(count)
    #expect(machine.cpu[Slot.fcw] == 0xe7f)
    #expect(quotient(1, 3) == before)
    #expect(before == 0x2aaa_aaaa_aaaa_aaab)
    #expect(machine.memory.load(HostControlTests.result, as: UInt64.self) == 2.0.bitPattern)
  }
}
