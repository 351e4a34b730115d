import GuestMemory
import Testing
import VMMCore

@testable import X86

/// Of the passes of an address only those are stops that a filter lets through.
@Suite struct StopFilterTests {
  private static let counter = SystemMachine.stack - 0x100

  /// 1: inc dword [rdi]; jmp 1b
  private func machine() throws -> SystemMachine {
    try SystemMachine([0xff, 0x07, 0xeb, 0xfc]) { $0.rdi = StopFilterTests.counter }
  }

  private func filter(_ machine: SystemMachine, counter: UInt64) throws -> StopFilter {
    StopFilter(
      address: SystemMachine.code, registers: try machine.engine.state().gpr,
      word: MemoryWord(address: GuestPhysicalAddress(StopFilterTests.counter), value: counter))
  }

  @Test func theWordOfMemoryCounts() throws {
    let machine = try machine()
    machine.engine.setStopFilter(try filter(machine, counter: 1234))
    #expect(try machine.engine.run(.until(rip: SystemMachine.code, within: 1_000_000)) == .stopped)
    #expect(machine.engine.retiredInstructions == 2 * 1234)
    // The hint is taken back.
    machine.engine.setStopFilter(nil)
    #expect(try machine.engine.run(.until(rip: SystemMachine.code, within: 1_000_000)) == .stopped)
    #expect(machine.engine.retiredInstructions == 2 * 1235)
  }

  @Test func otherRegistersAreNoStop() throws {
    let machine = try machine()
    var filter = try filter(machine, counter: 1234)
    filter.registers[0] ^= 1
    machine.engine.setStopFilter(filter)
    #expect(try machine.engine.run(.until(rip: SystemMachine.code, within: 10_000)) == .stopped)
    #expect(machine.engine.retiredInstructions == 10_000)
  }
}
