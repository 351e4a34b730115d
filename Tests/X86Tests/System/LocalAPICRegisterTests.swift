import Testing
import VMMCore

@testable import X86

/// What the CPU itself holds of its local APIC.
@Suite struct LocalAPICRegisterTests {
  /// mov cr8, rax; nop...
  private static let writeCR8: [UInt8] = [0x44, 0x0f, 0x22, 0xc0] + [UInt8](repeating: 0x90, count: 60)

  @Test func loweringCR8StopsTheRunWhenAsked() throws {
    for (old, new, stops) in [(5, 4, true), (5, 5, false), (5, 6, false), (0, 0, false)] as [(UInt64, UInt64, Bool)] {
      let machine = try SystemMachine(LocalAPICRegisterTests.writeCR8) {
        $0.cr8 = old
        $0.rax = new
      }
      machine.engine.stopsAtLowerTaskPriority = true
      #expect(try machine.engine.run(.instructions(40)) == (stops ? .kicked : .stopped), "\(old) to \(new)")
      #expect(machine.engine.taskPriority == UInt8(new))
    }
  }

  @Test func otherwiseItDoesNot() throws {
    let machine = try SystemMachine(LocalAPICRegisterTests.writeCR8) { $0.cr8 = 5 }
    #expect(try machine.engine.run(.instructions(40)) == .stopped)
    #expect(machine.engine.retiredInstructions == 40)
  }

  @Test func taskPriorityIsCR8() throws {
    // mov rax, cr8
    let machine = try SystemMachine([0x44, 0x0f, 0x20, 0xc0])
    machine.engine.setTaskPriority(9)
    try machine.run(1)
    #expect(machine.cpu.rax == 9)
    #expect(try machine.engine.state().cr8 == 9)
  }

  /// mov ecx, 0x1b; wrmsr; mov eax, 1; cpuid
  private func apicFeature(afterWriting base: UInt64) throws -> Bool? {
    let machine = try SystemMachine([0xb9, 0x1b, 0, 0, 0, 0x0f, 0x30, 0xb8, 1, 0, 0, 0, 0x0f, 0xa2]) {
      $0.rax = base & 0xffff_ffff
      $0.rdx = base >> 32
    }
    try machine.run(2)
    guard machine.engine.apicBase == base else {
      #expect(machine.cpu.rip == SystemMachine.handler(13))
      return nil
    }
    try machine.run(2)
    return machine.cpu.rdx & 1 << 9 != 0
  }

  @Test func cpuidHasTheAPICThatIsSwitchedOn() throws {
    #expect(try apicFeature(afterWriting: 0xfee0_0900) == true)
    #expect(try apicFeature(afterWriting: 0xfee0_0100) == false)
    #expect(try apicFeature(afterWriting: 0x80_1234_5900) == true)
  }

  @Test func thereIsNoX2APICAndNoAddressBeyondTheCPUs() throws {
    #expect(try apicFeature(afterWriting: 0xfee0_0d00) == nil)
    #expect(try apicFeature(afterWriting: 0xfee0_0901) == nil)
    #expect(try apicFeature(afterWriting: 0x100_0000_0900) == nil)
  }
}
