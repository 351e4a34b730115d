import GuestMemory
import Testing
import VMMCore

@testable import X86

/// An instruction that raises an exception, and what the handler finds.
struct FaultCase: Sendable, CustomStringConvertible {
  var description: String
  var code: [UInt8]
  var vector: UInt8
  var errorCode: UInt64?
  var user = false
  /// Bytes that the saved RIP lies behind the instruction's beginning.
  var saved: UInt64 = 0
}

@Suite struct DeliveryTests {
  static let cases = [
    FaultCase(description: "#DE: div ecx", code: [0xf7, 0xf1], vector: 0),
    FaultCase(description: "int1", code: [0xf1], vector: 1, saved: 1),
    FaultCase(description: "int3", code: [0xcc], vector: 3, saved: 1),
    FaultCase(description: "int 0x80 in user mode", code: [0xcd, 0x80], vector: 0x80, user: true, saved: 2),
    FaultCase(description: "#UD: ud2", code: [0x0f, 0x0b], vector: 6),
    FaultCase(description: "#GP: hlt in user mode", code: [0xf4], vector: 13, errorCode: 0, user: true),
    FaultCase(
      description: "#GP: mov cr3 in user mode", code: [0x0f, 0x22, 0xd8], vector: 13, errorCode: 0, user: true),
    // mov ax, 0x48 (beyond the GDT's end is 0x50): null descriptor, no data segment; mov ds, ax
    FaultCase(description: "#GP: selector", code: [0xb0, 0x48, 0x8e, 0xd8], vector: 13, errorCode: 0x48, saved: 2),
    FaultCase(description: "#NP: mov ds", code: [0xb0, 0x40, 0x8e, 0xd8], vector: 11, errorCode: 0x40, saved: 2),
    FaultCase(description: "#SS: mov ss", code: [0xb0, 0x40, 0x8e, 0xd0], vector: 12, errorCode: 0x40, saved: 2),
    // mov al, [0x800000]
    FaultCase(description: "#PF: read", code: [0x8a, 0x04, 0x25, 0, 0, 0x80, 0], vector: 14, errorCode: 0),
    FaultCase(
      description: "#PF: user write", code: [0x88, 0x04, 0x25, 0, 0, 0x80, 0], vector: 14, errorCode: 6, user: true),
    // mov rcx, 1 << 63; jmp rcx
    FaultCase(
      description: "#GP: not canonical", code: [0x48, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x8a, 0x01], vector: 13,
      errorCode: 0, saved: 10),
  ]

  @Test(arguments: cases)
  func reachesItsHandler(_ fault: FaultCase) throws {
    let machine = try SystemMachine(fault.code, user: fault.user) { $0.rflags = 0x202 }
    // Up to behind the handler's first instruction.
    for _ in 0..<4 where machine.cpu.rip >= SystemMachine.code || machine.cpu.rip % 16 == 0 { try machine.run(1) }
    #expect(machine.cpu.rip == SystemMachine.handler(fault.vector) + 1)
    #expect(machine.cpu.rflags & RFlags.interrupt == 0)
    var words = machine.frame(6)
    if let errorCode = fault.errorCode {
      #expect(words.removeFirst() == errorCode)
    }
    #expect(words[0] == SystemMachine.code + fault.saved)
    #expect(words[1] == UInt64(fault.user ? SystemMachine.userCode | 3 : SystemMachine.kernelCode))
    #expect(words[2] & 0x202 == 0x202)
    #expect(words[3] == SystemMachine.stack)
    #expect(machine.cpu.privilegeLevel == 0)
    if fault.vector == 14 { #expect(machine.cpu.cr2 == 0x80_0000) }
    let depth: UInt64 = fault.errorCode == nil ? 40 : 48
    #expect(machine.cpu.rsp == (fault.user ? SystemMachine.kernelStack : SystemMachine.stack) - depth)
  }

  /// Some emulated CPUs do not set it.
  @Test(arguments: [false, true]) func aFaultPushesRFAsTheProfileSays(keepsFlag: Bool) throws {
    let machine = try SystemMachine([0x0f, 0x0b])
    var profile = UndefinedProfile()
    profile[.faultsKeepResumeFlag] = keepsFlag
    machine.cpu.adopt(profile)
    try machine.run(1)
    #expect(machine.frame(5)[2] & RFlags.rf == (keepsFlag ? 0 : RFlags.rf))
  }

  /// Some emulated CPUs read first. The code is 2, a write, or 0.
  @Test(
    arguments: [
      [0x48, 0x01, 0x04, 0x25, 0, 0, 0x80, 0], [0xf0, 0x48, 0xff, 0x04, 0x25, 0, 0, 0x80, 0],
      [0x87, 0x04, 0x25, 0, 0, 0x80, 0], [0x48, 0x0f, 0xab, 0x04, 0x25, 0, 0, 0x80, 0],
      [0x48, 0x0f, 0xc7, 0x0c, 0x25, 0, 0, 0x80, 0], [0xc1, 0x24, 0x25, 0, 0, 0x80, 0, 3],
    ], [false, true])
  func updatesFaultAsTheProfileSays(code: [UInt8], readsFirst: Bool) throws {
    let machine = try SystemMachine(code)
    var profile = UndefinedProfile()
    profile[.readsBeforeUpdates] = readsFirst
    machine.cpu.adopt(profile)
    try machine.run(1)
    #expect(machine.cpu.rip == SystemMachine.handler(14))
    #expect(machine.frame(1) == [readsFirst ? 0 : 2])
  }

  @Test func interruptStackTableIsUsed() throws {
    let machine = try SystemMachine([0x0f, 0x0b])
    SystemMachine.setGate(machine.memory, 6, ist: 1)
    try machine.run(1)
    #expect(machine.cpu.rsp == SystemMachine.interruptStack - 40)
  }

  @Test func softwareInterruptNeedsTheGatesPrivilege() throws {
    let machine = try SystemMachine([0xcd, 0x21], user: true)
    SystemMachine.setGate(machine.memory, 0x21, level: 0)
    try machine.run(1)
    #expect(machine.cpu.rip == SystemMachine.handler(13))
    #expect(machine.frame(1) == [0x21 << 3 | 2])
  }

  @Test func missingGateBecomesDoubleFault() throws {
    // A page fault whose gate is not present: #NP while delivering #PF.
    let machine = try SystemMachine([0x8a, 0x04, 0x25, 0, 0, 0x80, 0])
    machine.memory.store(UInt64(0x8e00) << 32 & ~(1 << 47), at: GuestPhysicalAddress(SystemMachine.idt + 14 * 16))
    try machine.run(1)
    #expect(machine.cpu.rip == SystemMachine.handler(8))
    #expect(machine.frame(2) == [0, SystemMachine.code])
  }

  @Test func emptyTableShutsDown() throws {
    let machine = try SystemMachine([0x0f, 0x0b]) { $0.idtr.limit = 0 }
    #expect(try machine.run(1) == .shutdown)
    #expect(machine.cpu.rip == SystemMachine.code)
  }

  @Test func externalInterruptInterruptsAndReturns() throws {
    // nop; nop; handler: iretq
    let machine = try SystemMachine([0x90, 0x90], user: true) { $0.rflags = 0x202 }
    machine.memory.write([0x48, 0xcf], at: GuestPhysicalAddress(SystemMachine.handler(0x31)))
    try machine.run(1)
    let before = try machine.engine.state()
    #expect(try machine.engine.isInterruptible())
    try machine.engine.inject(interrupt: 0x31)
    #expect(try !machine.engine.isInterruptible())
    try machine.run(1)
    #expect(try machine.engine.state().digest == before.digest)
  }
}
