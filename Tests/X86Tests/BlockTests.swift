import GuestMemory
import Testing
import VMMCore

@testable import X86

@Suite("Decoded blocks")
struct BlockTests {
  /// add rax, 1; cmp al, 5; jne +2; xor ecx, eax; sub rdx, rax; jmp back.
  private static let loop: [UInt8] = [
    0x48, 0x83, 0xc0, 1, 0x3c, 5, 0x75, 2, 0x31, 0xc1, 0x48, 0x29, 0xc2, 0xeb, 0xf1,
  ]

  @Test func `a run stops after exactly so many instructions`() throws {
    let stepped = try Machine(.long64, code: BlockTests.loop)
    for count in UInt64(1)...60 {
      stepped.run(1)
      let whole = try Machine(.long64, code: BlockTests.loop)
      #expect(whole.run(count) == .limit)
      #expect(whole.cpu.retired == count)
      #expect(whole.cpu.state == stepped.cpu.state, "after \(count) instructions")
    }
  }

  @Test func `an instruction may change the next one in its own block`() throws {
    // mov byte [rip + 2], 7; mov al, 1 (its immediate is overwritten): twice, to run what was decoded already.
    let code: [UInt8] = [0xc6, 0x05, 1, 0, 0, 0, 7, 0xb0, 1, 0x90]
    let machine = try Machine(.long64, code: code)
    machine.run(2)
    #expect(machine.cpu.rax & 0xff == 7)
    #expect(machine.load(Machine.codeAddress + 8, UInt8.self) == 7)
  }

  @Test func `a REP instruction that overwrites itself goes on`() throws {
    // rep movsb; jmp back: NOPs go over both.
    func machine() throws -> Machine {
      let machine = try Machine(.long64, code: [0xf3, 0xa4, 0xeb, 0xfe]) {
        ($0.gpr[1], $0.gpr[6], $0.gpr[7]) = (64, 0x9000, Machine.codeAddress - 8)
      }
      machine.memory.write([UInt8](repeating: 0x90, count: 64), at: GuestPhysicalAddress(0x9000))
      return machine
    }
    let stepped = try machine()
    for _ in 0..<20 { stepped.run(1) }
    let whole = try machine()
    whole.run(20)
    #expect(stepped.cpu.rcx == 0)
    #expect(whole.cpu.state == stepped.cpu.state)
  }

  @Test func `a write from outside changes code that has run`() throws {
    // inc eax; jmp back.
    let machine = try Machine(.long64, code: [0xff, 0xc0, 0xeb, 0xfc])
    machine.run(20)
    #expect(machine.cpu.rax == 10)
    machine.memory.write([0xff, 0xc8], at: GuestPhysicalAddress(Machine.codeAddress))  // dec eax
    machine.run(20)
    #expect(machine.cpu.rax == 0)
  }

  @Test func `a store to a page table takes effect with the next fetch`() throws {
    // mov [rdi], rsi; inc eax; inc eax: the page of the code is gone before the first INC.
    let prepare: (inout CPUState) -> Void = { ($0.gpr[7], $0.gpr[6]) = (Machine.tables + 0x2000, 0) }
    let code: [UInt8] = [0x48, 0x89, 0x37, 0xff, 0xc0, 0xff, 0xc0, 0xeb, 0xfe]
    let machine = try Machine(.long64, code: code, prepare: prepare)
    _ = machine.cpu.runToEvent(limit: machine.cpu.retired + 40)
    #expect(machine.cpu.pendingEvent?.vector == ExceptionVector.pageFault)
    #expect(machine.cpu.rax == 0)
    #expect(machine.cpu.rip == Machine.codeAddress + 3)
  }

  @Test func `a store to a page table takes effect without a flush`() throws {
    // mov eax, [0x400000]; mov [rdi], rsi; mov ebx, [0x400000]
    let code: [UInt8] = [
      0x8b, 0x04, 0x25, 0, 0, 0x40, 0, 0x48, 0x89, 0x37, 0x8b, 0x1c, 0x25, 0, 0, 0x40, 0,
    ]
    let machine = try Machine(.long64, code: code) {
      $0.gpr[7] = Machine.tables + 0x2000 + 2 * 8
      $0.gpr[6] = 0x20_0087
    }
    // Linear 4 MiB is no memory at first, then the page at 2 MiB.
    machine.memory.store(UInt64(0x87), at: GuestPhysicalAddress(Machine.tables + 0x2010))
    machine.memory.store(UInt32(11), at: GuestPhysicalAddress(0))
    machine.memory.store(UInt32(22), at: GuestPhysicalAddress(0x20_0000))
    #expect(machine.run(3) == .limit)
    #expect(machine.cpu.rax == 11)
    #expect(machine.cpu.rbx == 22)
  }

  @Test func `an instruction across two pages is decoded from both`() throws {
    let machine = try Machine(.long64) { $0.rip = 0x8ffe }
    machine.memory.write([0xb8, 1, 2, 3, 4, 0xeb, 0xf9], at: GuestPhysicalAddress(0x8ffe))  // mov eax, 0x04030201; jmp
    machine.run(2)
    #expect(machine.cpu.rax == 0x0403_0201)
    machine.memory.write([9], at: GuestPhysicalAddress(0x9001))
    machine.run(1)
    #expect(machine.cpu.rax == 0x0409_0201)
  }
}
