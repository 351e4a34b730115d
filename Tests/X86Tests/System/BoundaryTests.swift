import GuestMemory
import Testing
import VMMCore

@testable import X86

/// Shadows, NMIs, traps, debug registers, HLT, kicks: what happens between instructions.
@Suite struct BoundaryTests {
  @Test func stiHoldsInterruptsOffForOneInstruction() throws {
    let machine = try SystemMachine([0xfb, 0x90, 0x90])
    try machine.run(1)
    #expect(try machine.engine.state().interruptShadow == 1)
    #expect(try !machine.engine.isInterruptible())
    try machine.run(1)
    #expect(try machine.engine.state().interruptShadow == 0)
    #expect(try machine.engine.isInterruptible())
  }

  @Test func movToSSHoldsInterruptsOff() throws {
    // mov al, 0x10; mov ss, eax; nop
    let machine = try SystemMachine([0xb0, 0x10, 0x8e, 0xd0, 0x90]) { $0.rflags = 0x202 }
    try machine.run(2)
    #expect(try machine.engine.state().interruptShadow == 2)
    #expect(try !machine.engine.isInterruptible())
    try machine.run(1)
    #expect(try machine.engine.isInterruptible())
  }

  @Test func secondNMIWaitsForIRET() throws {
    let machine = try SystemMachine([0x90, 0x90, 0x90])
    machine.memory.write([0x90, 0x48, 0xcf], at: GuestPhysicalAddress(SystemMachine.handler(2)))
    try machine.engine.injectNMI()
    try machine.run(1)
    #expect(machine.cpu.rip == SystemMachine.handler(2) + 1)
    try machine.engine.injectNMI()
    #expect(try machine.engine.state().nmiPending)
    // iretq, then the first instruction of the handler again: nothing of the code has run.
    try machine.run(2)
    #expect(machine.cpu.rip == SystemMachine.handler(2) + 1)
    #expect(machine.frame(1) == [SystemMachine.code])
    #expect(try !machine.engine.state().nmiPending)
  }

  @Test func trapFlagTrapsAfterEachInstruction() throws {
    // pushf; or byte [rsp + 1], 1; popf; nop; nop
    let machine = try SystemMachine([0x9c, 0x80, 0x4c, 0x24, 0x01, 0x01, 0x9d, 0x90, 0x90])
    try machine.run(4)
    #expect(machine.cpu.rip == SystemMachine.handler(1))
    #expect(machine.frame(1) == [SystemMachine.code + 8])
    #expect(machine.cpu[Slot.dr + 6] == 0xffff_4ff0)
    #expect(machine.cpu.rflags & RFlags.tf == 0)
  }

  @Test func executionBreakpointFaultsOnceAndResumesByRF() throws {
    let machine = try SystemMachine([0x90, 0x90, 0x90]) {
      $0.dr0 = SystemMachine.code + 1
      $0.dr7 = 0x402
    }
    // The handler sets RF in the frame: or byte [rsp + 18], 1; iretq
    machine.memory.write(
      [0x80, 0x4c, 0x24, 0x12, 0x01, 0x48, 0xcf], at: GuestPhysicalAddress(SystemMachine.handler(1)))
    try machine.run(2)
    #expect(machine.cpu.rip == SystemMachine.handler(1))
    #expect(machine.cpu[Slot.dr + 6] & 15 == 1)
    try machine.run(4)
    #expect(machine.cpu.rip == SystemMachine.code + 3)
  }

  @Test func dataBreakpointTrapsAfterTheStore() throws {
    // mov [0x9004], eax; nop
    let machine = try SystemMachine([0x89, 0x04, 0x25, 0x04, 0x90, 0, 0, 0x90]) {
      $0.dr1 = 0x9006
      $0.dr7 = 0x400 | 1 << 2 | 1 << 20
    }
    try machine.run(1)
    try machine.run(1)
    #expect(machine.cpu.rip == SystemMachine.handler(1) + 1)
    #expect(machine.frame(1) == [SystemMachine.code + 7])
    #expect(machine.cpu[Slot.dr + 6] & 15 == 2)
  }

  @Test func haltWakesByAnInterrupt() throws {
    let machine = try SystemMachine([0xfb, 0xf4, 0x90])
    #expect(try machine.engine.run(.free) == .halt)
    #expect(try machine.engine.state().halted)
    #expect(try machine.engine.isInterruptible())
    machine.engine.kick()
    #expect(try machine.engine.run(.free) == .kicked)
    try machine.engine.inject(interrupt: 0x40)
    try machine.run(1)
    #expect(machine.cpu.rip == SystemMachine.handler(0x40) + 1)
    #expect(machine.frame(1) == [SystemMachine.code + 2])
    #expect(try !machine.engine.state().halted)
  }

  @Test func kickStopsInsideARepeat() throws {
    // rep lodsb from 0x9000
    let machine = try SystemMachine([0xf3, 0xac, 0x90]) {
      $0.gpr[1] = 1000
      $0.gpr[6] = 0x9000
    }
    machine.cpu[Slot.repeatLimit] = 400
    #expect(try machine.engine.run(.free) == .stopped)
    machine.cpu[Slot.repeatLimit] = 0
    #expect(machine.engine.repeatIterations == 400)
    #expect(machine.cpu.rcx == 600)
    #expect(machine.cpu.rip == SystemMachine.code)
    machine.engine.kick()
    #expect(try machine.engine.run(.free) == .kicked)
    #expect(machine.engine.retiredInstructions == 0)
    #expect(try machine.engine.finishInstruction() == nil)
    #expect(machine.engine.retiredInstructions == 1)
    #expect(machine.cpu.rcx == 0)
    #expect(machine.cpu.rip == SystemMachine.code + 2)
  }

  /// An interrupt at each place of a run changes nothing that the interrupted code sees.
  @Test func interruptAtEveryInstruction() throws {
    // mov ecx, 20; push rcx; pop rax; add rbx, rax; loop -6; hlt
    let code: [UInt8] = [0xb9, 20, 0, 0, 0, 0x51, 0x58, 0x48, 0x01, 0xc3, 0xe2, 0xf9, 0xf4]
    let quiet = try SystemMachine(code) { $0.rflags = 0x202 }
    #expect(try quiet.engine.run(.free) == .halt)
    let total = try #require(quiet.engine.retiredInstructions)
    #expect(quiet.cpu.rbx == 210)
    for place in 1..<total {
      let machine = try SystemMachine(code) { $0.rflags = 0x202 }
      // push rax; xor eax, eax; pop rax; iretq
      machine.memory.write(
        [0x50, 0x31, 0xc0, 0x58, 0x48, 0xcf], at: GuestPhysicalAddress(SystemMachine.handler(0x20)))
      #expect(try machine.run(place) == .stopped)
      try machine.engine.inject(interrupt: 0x20)
      #expect(try machine.engine.run(.free) == .halt)
      #expect(machine.engine.retiredInstructions == total + 4)
      #expect(try machine.engine.state().digest == quiet.engine.state().digest)
    }
  }
}
