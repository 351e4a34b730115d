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

  @Test func `a stop that is gone leaves no trace in the code`() throws {
    let machine = try Machine(.long64, code: BlockTests.loop)
    /// Instructions of the block that begins the loop.
    func length() -> UInt64? {
      machine.cpu.rip = Machine.codeAddress
      return unsafe machine.core.code.find(machine.cpu)?.left
    }
    for turn in 0..<3 {
      #expect(length() == 3, "turn \(turn)")
      machine.cpu.setStopAddress(Machine.codeAddress + 4)
      #expect(length() == 1, "turn \(turn)")
      machine.cpu.setStopAddress(nil)
    }
  }

  /// Behind SUB EAX, EBX, whose flags they change in part or not at all.
  private static let changesOfFlags: [[UInt8]] = [
    [0xc1, 0xc2, 3], [0xd1, 0xca], [0xd3, 0xc2], [0xd3, 0xe2], [0xc1, 0xe2, 5], [0xd1, 0xfa],  // ROL … SAR EDX
    [0x0f, 0xba, 0xea, 3], [0x0f, 0xab, 0xc2], [0x0f, 0xa3, 0xd0],  // BTS, BT
    [0x0f, 0xaf, 0xd0], [0x6b, 0xd0, 7], [0xf7, 0xe2], [0xf7, 0xea],  // IMUL, MUL
    [0xff, 0xc2], [0xff, 0xca], [0xf7, 0xda], [0xf7, 0xd2], [0x8d, 0x14, 0x10], [0x0f, 0xca],  // INC … BSWAP
    [0x83, 0xd2, 1], [0x0f, 0x94, 0xc2], [0x0f, 0x4f, 0xd0], [0x0f, 0xb6, 0xd0],  // ADC, SETE, CMOVG, MOVZX
  ]

  @Test(arguments: UndefinedProfile.named.map(\.name))
  func `flags that an instruction leaves alone outlive it in blocks`(_ name: String) throws {
    let profile = try #require(UndefinedProfile.named.first { $0.name == name }).profile
    let operands: [(UInt64, UInt64)] = [(5, 5), (1, 2), (0x8000_0000, 1), (0x10, 1), (0x7fff_ffff, 0xffff_ffff)]
    for change in BlockTests.changesOfFlags {
      for (number, (a, b)) in operands.enumerated() {
        let code = [0x29, 0xd8] + change + [0xeb, 0xfe]
        let prepare: (inout CPUState) -> Void = { ($0.gpr[0], $0.gpr[3]) = (a, b) }
        let stepped = try Machine(.long64, code: code, undefined: profile, prepare: prepare)
        let blocks = try Machine(.long64, code: code, undefined: profile, prepare: prepare)
        for machine in [stepped, blocks] {
          (machine.cpu.rcx, machine.cpu.rdx) = (UInt64(number % 2), 0x8421_1234_c321_4321)
        }
        for _ in 0..<3 { stepped.run(1) }
        blocks.run(3)
        #expect(blocks.cpu.rflags == stepped.cpu.rflags, "\(change), operands \(number)")
        #expect(blocks.cpu.state == stepped.cpu.state, "\(change), operands \(number)")
      }
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

  @Test(arguments: [UInt64(0), 0x86, 0x87])
  func `an entry of a table that is filled or changed takes effect with the next access`(_ before: UInt64) throws {
    // mov eax, [0x300000]; mov [rdi], rsi; mov ebx, [0x400000]; mov [rdi], rdx; mov ecx, [0x400000]; jmp self.
    let code: [UInt8] = [
      0x8b, 0x04, 0x25, 0, 0, 0x30, 0, 0x48, 0x89, 0x37, 0x8b, 0x1c, 0x25, 0, 0, 0x40, 0, 0x48, 0x89, 0x17, 0x8b, 0x0c,
      0x25, 0, 0, 0x40, 0, 0xeb, 0xfe,
    ]
    let machine = try Machine(.long64, code: code) {
      // The entry of 0x400000 leads to what is at 0x200000, and then to what is at 0.
      ($0.gpr[7], $0.gpr[6], $0.gpr[2]) = (Machine.tables + 0x2000 + 2 * 8, 0x20_0087, 0x87)
    }
    machine.memory.store(before, at: GuestPhysicalAddress(Machine.tables + 0x2000 + 2 * 8))
    machine.memory.store(UInt32(5), at: GuestPhysicalAddress(0x20_0000))
    machine.memory.store(UInt32(7), at: GuestPhysicalAddress(0))
    for _ in 0..<3 {
      machine.cpu.rip = Machine.codeAddress
      machine.run(6)
      #expect(machine.cpu.rbx == 5)
      #expect(machine.cpu.rcx == 7)
    }
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
