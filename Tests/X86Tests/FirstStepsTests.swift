import GuestMemory
import Testing
import VMMCore

@testable import X86

@Suite struct FirstStepsTests {
  @Test func countsDown() throws {
    // mov ecx, 10; sub ecx, 1; jnz -5; mov [0x9000], eax
    let machine = try Machine(.long64, code: [0xb9, 10, 0, 0, 0, 0x83, 0xe9, 1, 0x75, 0xfb])
    #expect(machine.run(21) == .limit)
    #expect(machine.cpu.rip == Machine.codeAddress + 10)
    #expect(machine.cpu.rcx == 0)
    #expect(machine.cpu.retired == 21)
  }

  @Test func storesInEveryMode() throws {
    // mov [0x9000], ax / eax, in 16-, 32- and 64-bit encoding.
    let real = try Machine(.real16, code: [0xa3, 0x00, 0x90]) { $0.rax = 0x1234_5678 }
    let protected = try Machine(.protected32, code: [0xa3, 0x00, 0x90, 0, 0]) { $0.rax = 0x1234_5678 }
    let long = try Machine(.long64, code: [0x48, 0x89, 0x04, 0x25, 0x00, 0x90, 0, 0]) { $0.rax = 0x1122_3344_1234_5678 }
    for machine in [real, protected, long] { #expect(machine.run(1) == .limit) }
    #expect(real.load(0x9000, UInt32.self) == 0x5678)
    #expect(protected.load(0x9000, UInt32.self) == 0x1234_5678)
    #expect(long.load(0x9000, UInt64.self) == 0x1122_3344_1234_5678)
    #expect(long.memory.takeDirtyPages().contains(9))
  }

  @Test func deviceLoadIsAskedForOnceAndAnswered() throws {
    // add eax, [0x20000000] (no memory there)
    let machine = try Machine(.long64, code: [0x03, 0x04, 0x25, 0, 0, 0, 0x20]) { $0.rax = 5 }
    #expect(machine.run(1) == .exit)
    #expect(machine.cpu.requestedExit == .mmioRead(address: .init(0x2000_0000), size: 4))
    #expect(machine.cpu.rip == Machine.codeAddress)
    machine.cpu.answer(7)
    #expect(machine.run(1) == .limit)
    #expect(machine.cpu.rax == 12)
  }

}
