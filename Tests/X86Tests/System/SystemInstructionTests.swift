import GuestMemory
import Testing
import VMMCore

@testable import X86

@Suite struct SystemInstructionTests {
  @Test func syscallAndSysret() throws {
    // syscall; nop -- kernel at the handler of vector 0x90: sysretq
    let machine = try SystemMachine([0x0f, 0x05, 0x90], user: true) {
      $0.efer |= 1
      $0.star = 0x0018_0008_0000_0000
      $0.lstar = SystemMachine.handler(0x90)
      $0.sfmask = 0x200
      $0.rflags = 0x246
    }
    machine.memory.write([0x48, 0x0f, 0x07], at: GuestPhysicalAddress(SystemMachine.handler(0x90)))
    try machine.run(1)
    var state = try machine.engine.state()
    #expect(state.rip == SystemMachine.handler(0x90))
    #expect(state.cs.selector == 0x08 && state.ss.selector == 0x10)
    #expect(state.privilegeLevel == 0)
    #expect(state.rflags == 0x46)
    #expect(state.rcx == SystemMachine.code + 2)
    #expect(state.gpr[11] == 0x246)
    try machine.run(1)
    state = try machine.engine.state()
    #expect(state.rip == SystemMachine.code + 2)
    #expect(state.cs.selector == 0x2b && state.ss.selector == 0x23)
    #expect(state.privilegeLevel == 3 && state.is64Bit)
    #expect(state.rflags == 0x246)
  }

  @Test func unknownRegistersExit() throws {
    // mov ecx, 0x10; rdmsr; wrmsr
    let machine = try SystemMachine([0xb9, 0x10, 0, 0, 0, 0x0f, 0x32, 0x0f, 0x30])
    #expect(try machine.engine.run(.free) == .msrRead(index: 0x10))
    #expect(try !machine.engine.settle())
    machine.engine.reply(0x1_2345_6789)
    #expect(try machine.engine.settle())
    #expect(machine.cpu.rax == 0x2345_6789 && machine.cpu.rdx == 1)
    #expect(machine.engine.retiredInstructions == 2)
    #expect(try machine.engine.run(.free) == .msrWrite(index: 0x10, value: 0x1_2345_6789))
    machine.engine.replyFault()
    try machine.run(1)
    #expect(machine.cpu.rip == SystemMachine.handler(13) + 1)
    #expect(machine.frame(2) == [0, SystemMachine.code + 7])
  }

  @Test func swapGSAndBases() throws {
    // swapgs; rdgsbase rax
    let machine = try SystemMachine([0x0f, 0x01, 0xf8, 0xf3, 0x48, 0x0f, 0xae, 0xc8]) {
      $0.gs.base = 0x1111
      $0.kernelGSBase = 0x2222
      $0.cr4 |= 1 << 16
    }
    try machine.run(2)
    let state = try machine.engine.state()
    #expect(state.rax == 0x2222 && state.gs.base == 0x2222 && state.kernelGSBase == 0x1111)
  }

  @Test func farReturnToCompatibilityMode() throws {
    // push 0x1b; push 0x8100; retfq with RSP, SS behind
    let machine = try SystemMachine([0x48, 0xcb])
    for (index, word) in [UInt64(0x8100), 0x1b, 0x6f00, 0x23].enumerated() {
      machine.memory.store(word, at: GuestPhysicalAddress(SystemMachine.stack + 8 * UInt64(index)))
    }
    // mov eax, 1 << 31 ...; dec eax (a REX prefix in 64-bit code)
    machine.memory.write([0xb8, 0, 0, 0, 0, 0x48], at: GuestPhysicalAddress(0x8100))
    try machine.run(3)
    let state = try machine.engine.state()
    #expect(!state.is64Bit && state.privilegeLevel == 3)
    #expect(state.rax == 0xffff_ffff)
    #expect(state.rip == 0x8106 && state.gpr[4] == 0x6f00)
    #expect(state.ds.isUnusable)
  }

  @Test func badReturnsAreRefused() throws {
    // iretq to a selector of a more privileged segment, in user mode
    let machine = try SystemMachine([0x48, 0xcf], user: true)
    for (index, word) in [SystemMachine.code, 0x08, 0x2, SystemMachine.stack, 0x10].enumerated() {
      machine.memory.store(word, at: GuestPhysicalAddress(SystemMachine.stack + 8 * UInt64(index)))
    }
    try machine.run(1)
    #expect(machine.cpu.rip == SystemMachine.handler(13))
    #expect(machine.frame(2) == [8, SystemMachine.code])
  }

  @Test func segmentQueries() throws {
    // mov cl, 0x10; lar eax, cx; lsl edx, cx; verw cx
    let machine = try SystemMachine([0xb1, 0x10, 0x0f, 0x02, 0xc1, 0x0f, 0x03, 0xd1, 0x0f, 0x00, 0xe9])
    try machine.run(4)
    #expect(machine.cpu.rax == 0x00cf_9300)
    #expect(machine.cpu.rdx == 0xffff_ffff)
    #expect(machine.cpu.zf)
  }

  @Test func controlRegistersAreChecked() throws {
    // mov rax, -1; mov cr4, rax
    let machine = try SystemMachine([0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x22, 0xe0])
    try machine.run(2)
    #expect(machine.cpu.rip == SystemMachine.handler(13))
    #expect(machine.cpu.cr4 == 0x620)
  }

  @Test func portsNeedThePermissionMap() throws {
    // in al, 0x60
    let machine = try SystemMachine([0xe4, 0x60], user: true)
    // The map begins behind the segment's end.
    machine.memory.store(UInt16(0x68), at: GuestPhysicalAddress(SystemMachine.tss + 0x66))
    try machine.run(1)
    #expect(machine.cpu.rip == SystemMachine.handler(13))
  }

  @Test func portsOfStringsHave32BitsAtMost() throws {
    // outs with REX.W; ins with REX.W, backwards
    let machine = try SystemMachine([0x48, 0x6f, 0xfd, 0x48, 0x6d]) {
      $0.rdx = 0x80
      $0.gpr[GPR.rsi] = SystemMachine.stack
      $0.gpr[GPR.rdi] = SystemMachine.stack
    }
    machine.memory.store(UInt64(0x1122_3344_5566_7788), at: GuestPhysicalAddress(SystemMachine.stack))
    #expect(try machine.engine.run(.free) == .portWrite(port: 0x80, size: 4, value: 0x5566_7788))
    #expect(try machine.engine.run(.free) == .portRead(port: 0x80, size: 4))
    machine.engine.reply(0x99aa_bbcc)
    #expect(try machine.engine.settle())
    #expect(machine.cpu.rsi == SystemMachine.stack + 4)
    #expect(machine.cpu.rdi == SystemMachine.stack - 4)
    let word = machine.memory.load(GuestPhysicalAddress(SystemMachine.stack), as: UInt64.self)
    #expect(word == 0x1122_3344_99aa_bbcc)
  }

  @Test func realModeInterrupt() throws {
    let machine = try Machine(.real16, code: [0xcd, 0x10]) {
      $0.idtr = DescriptorTable(base: 0, limit: 0x3ff)
      $0.rflags = 0x202
    }
    machine.memory.store(UInt32(0x0050_0123), at: GuestPhysicalAddress(0x40))
    machine.run(1)
    #expect(machine.cpu.rip == 0x123)
    #expect(machine.cpu.segmentBase(SegmentNumber.cs) == 0x500)
    #expect(machine.cpu.rsp == 0x6ffa)
    #expect(machine.load(0x6ffa, UInt16.self) == 0x8002)
    #expect(machine.load(0x6ffe, UInt16.self) == 0x202)
  }
}
