import GuestMemory
import Testing
import VMMCore

@testable import X86

/// FERR#: x87 errors while CR0.NE is clear (Intel SDM vol. 1, 8.7.2).
@Suite struct X87ErrorTests {
  /// fwait; nop, with an unmasked division by zero that waits.
  private func machine(_ code: [UInt8], listens: Bool) throws -> SystemMachine {
    let machine = try SystemMachine(code) {
      $0.cr0 &= ~CR0.ne
      $0.fcw = 0x37b
      $0.fsw = 0x8084
      $0.rflags = 0x202
    }
    machine.engine.stopsAtX87Errors = listens
    return machine
  }

  @Test func leavesTheRunBeforeTheInstruction() throws {
    let machine = try machine([0x90, 0x9b, 0x90, 0xf4], listens: true)
    #expect(try machine.engine.run(.free) == .kicked)
    #expect(machine.cpu.rip == SystemMachine.code + 1)
    #expect(machine.engine.retiredInstructions == 1)
    #expect(machine.engine.x87Errors == 1)
    #expect(try machine.engine.isInterruptible())
    // Nobody interrupts: it goes on, and says it once.
    #expect(try machine.engine.run(.free) == .halt)
    #expect(machine.engine.x87Errors == 1)
  }

  @Test func isSignalledAgainAfterItWasCleared() throws {
    // fwait; fnclex; fldz; fld1; fdiv st, st(1): by zero; fwait; hlt
    let code: [UInt8] = [0x9b, 0xdb, 0xe2, 0xd9, 0xee, 0xd9, 0xe8, 0xd8, 0xf1, 0x9b, 0xf4]
    let machine = try machine(code, listens: true)
    #expect(try machine.engine.run(.free) == .kicked)
    #expect(try machine.engine.run(.free) == .kicked)
    #expect(machine.cpu.rip == SystemMachine.code + 9)
    #expect(machine.engine.x87Errors == 2)
    #expect(try machine.engine.run(.free) == .halt)
  }

  /// A replay does not ask: its interrupts come from the trace.
  @Test func nobodyListens() throws {
    let machine = try machine([0x9b, 0xf4], listens: false)
    #expect(try machine.engine.run(.free) == .halt)
    #expect(machine.engine.x87Errors == 0)
  }

  @Test func withNEItIsAnException() throws {
    let machine = try SystemMachine([0x9b]) {
      $0.fcw = 0x37b
      $0.fsw = 0x8084
    }
    machine.engine.stopsAtX87Errors = true
    try machine.run(1)
    #expect(machine.cpu.rip == SystemMachine.handler(16))
    #expect(machine.engine.x87Errors == 0)
  }
}
