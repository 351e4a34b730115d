import GuestMemory
import Testing
import VMMCore

@testable import X86

/// Debug exceptions that a debugger of a process cannot see (Intel SDM vol. 3, 17.2 and 17.3; AMD APM vol. 2, 13.1).
@Suite struct DebugTrapTests {
  private static let clear: UInt64 = 0xffff_0ff0

  /// APM 13.1.1.3: B0 to B3 tell of this exception, BD and BS stay until software clears them.
  @Test func breakpointBitsAreThoseOfThisException() throws {
    // nop; nop
    let machine = try SystemMachine([0x90, 0x90]) {
      $0.dr0 = SystemMachine.code + 1
      $0.dr6 = DebugTrapTests.clear | 0x400e
      $0.dr7 = 0x402
    }
    try machine.run(2)
    #expect(machine.cpu.rip == SystemMachine.handler(1))
    #expect(machine.cpu[Slot.dr + 6] == DebugTrapTests.clear | 0x4001)
  }

  @Test func singleStepClearsTheBreakpointBits() throws {
    let machine = try SystemMachine([0x90, 0x90]) {
      $0.dr6 = DebugTrapTests.clear | 0x2003
      $0.rflags |= RFlags.tf
    }
    try machine.run(2)
    #expect(machine.cpu[Slot.dr + 6] == DebugTrapTests.clear | 0x6000)
  }

  @Test func generalDetectionEndsInTheHandler() throws {
    // mov rax, dr0
    let machine = try SystemMachine([0x0f, 0x21, 0xc0]) { $0.dr7 = 0x2400 }
    try machine.run(1)
    #expect(machine.cpu.rip == SystemMachine.handler(1))
    #expect(machine.cpu[Slot.dr + 6] == DebugTrapTests.clear | 0x2000)
    #expect(machine.cpu[Slot.dr + 7] == 0x400)
    #expect(machine.frame(1) == [SystemMachine.code])
  }

  @Test func icebpLeavesDR6() throws {
    let machine = try SystemMachine([0xf1]) { $0.rflags |= RFlags.tf }
    try machine.run(1)
    #expect(machine.cpu.rip == SystemMachine.handler(1))
    #expect(machine.cpu[Slot.dr + 6] == DebugTrapTests.clear)
    #expect(machine.frame(1) == [SystemMachine.code + 1])
  }

  /// Loads of registers that end in a fault lose what MOV SS has held back; INT n does not.
  @Test(arguments: zip([[0x0f, 0x0b], [0xcc]] as [[UInt8]], [UInt64(0), 1]))
  func heldBreakpoints(next: [UInt8], hits: UInt64) throws {
    // mov ss, [rdi]; ud2 or int3
    let machine = try SystemMachine([0x8e, 0x17] + next) {
      $0.gpr[7] = 0x9000
      $0.dr0 = 0x9000
      $0.dr7 = 0x7_0402
    }
    machine.memory.store(UInt16(0x10), at: GuestPhysicalAddress(0x9000))
    try machine.run(1)
    #expect(machine.cpu.rip == SystemMachine.code + 2)
    #expect(try machine.engine.state().pendingEvent == nil)
    // The state takes it along.
    try machine.engine.setState(machine.engine.state())
    try machine.run(2)
    #expect(machine.cpu[Slot.dr + 6] & 15 == hits)
    #expect(machine.cpu.rip == (hits == 0 ? SystemMachine.handler(6) : SystemMachine.handler(1)) + 1)
    if hits != 0 { #expect(machine.frame(1) == [SystemMachine.handler(3)]) }
  }

  struct PortCase: Sendable {
    var code: [UInt8]
    var dr7: UInt64
    var extensions = true
    var hits: UInt64
  }

  /// CR4.DE and R/W 10: a trap behind the access.
  @Test(arguments: [
    // in al, 0x60; out 0x60, al; in ax, dx; in al, 0x61; in eax, 0x5e
    PortCase(code: [0xe4, 0x60], dr7: 0x2_0402, hits: 1),
    PortCase(code: [0xe6, 0x60], dr7: 0x2_0402, hits: 1),
    PortCase(code: [0xe4, 0x61], dr7: 0x2_0402, hits: 0),
    PortCase(code: [0xe4, 0x61], dr7: 0x6_0402, hits: 1),
    PortCase(code: [0xe5, 0x5e], dr7: 0x2_0402, hits: 1),
    PortCase(code: [0xe4, 0x60], dr7: 0x2_0402, extensions: false, hits: 0),
    PortCase(code: [0xe4, 0x60], dr7: 0x2_0400, hits: 0),
  ])
  func portBreakpoints(_ port: PortCase) throws {
    let machine = try SystemMachine(port.code + [0x90]) {
      $0.dr0 = 0x60
      $0.dr7 = port.dr7
      if port.extensions { $0.cr4 |= CR4.de }
    }
    switch try machine.engine.run(.instructions(1)) {
    case .portRead: machine.engine.reply(0)
    case .portWrite: break
    case let exit: Issue.record("\(exit)")
    }
    try machine.run(1)
    #expect(machine.cpu[Slot.dr + 6] & 15 == port.hits)
    #expect(machine.cpu.rip == (port.hits != 0 ? SystemMachine.handler(1) : SystemMachine.code + 2) + 1)
  }

  /// REP INS under a port breakpoint traps after each iteration, with RF set.
  @Test func portBreakpointInsideRepeat() throws {
    let machine = try SystemMachine([0xf3, 0x6c, 0x90]) {
      $0.gpr[1] = 3
      $0.gpr[2] = 0x60
      $0.gpr[7] = 0x9000
      $0.dr0 = 0x60
      $0.dr7 = 0x2_0402
      $0.cr4 |= CR4.de
    }
    machine.memory.write([0x48, 0xcf], at: GuestPhysicalAddress(SystemMachine.handler(1)))
    var frames: [[UInt64]] = []
    var reads = 0
    while reads < 4 {
      let exit = try machine.engine.run(.instructions(1))
      if case .portRead = exit {
        reads += 1
        machine.engine.reply(UInt64(reads))
      }
      if machine.cpu.rip == SystemMachine.handler(1) || machine.cpu.pendingEvent != nil {
        _ = machine.engine.deliverPendingEvent()
        let frame = machine.frame(3)
        frames.append([frame[0] - SystemMachine.code, frame[2] & RFlags.rf, machine.cpu.rcx])
        if frames.count == 3 { break }
      }
    }
    #expect(frames == [[0, RFlags.rf, 2], [0, RFlags.rf, 1], [2, 0, 0]])
  }

  /// SYSCALL and SYSRET trap by TF as it is when they end.
  @Test func systemCallsUnderTheTrapFlag() throws {
    let prepare: @Sendable (inout CPUState) -> Void = {
      $0.efer |= EFER.sce
      $0.star = 0x0018_0008_0000_0000
      $0.lstar = SystemMachine.handler(0x90)
      $0.rflags |= RFlags.tf
    }
    // SFMASK clears it: no trap.
    let masked = try SystemMachine([0x0f, 0x05], user: true) {
      prepare(&$0)
      $0.sfmask = RFlags.tf
    }
    try masked.run(2)
    #expect(masked.cpu.rip == SystemMachine.handler(0x90) + 1)
    // It stays: a trap at the entry.
    let kept = try SystemMachine([0x0f, 0x05], user: true, prepare: prepare)
    try kept.run(2)
    #expect(kept.cpu.rip == SystemMachine.handler(1) + 1)
    #expect(kept.frame(1) == [SystemMachine.handler(0x90)])
    // SYSRET brings it back: a trap before the first instruction of user mode.
    let returning = try SystemMachine([0x48, 0x0f, 0x07]) {
      prepare(&$0)
      $0.rflags = 2
      $0.gpr[1] = 0x8100
      $0.gpr[11] = 0x102
    }
    try returning.run(2)
    #expect(returning.cpu.rip == SystemMachine.handler(1) + 1)
    #expect(returning.frame(2) == [0x8100, 0x2b])
    #expect(returning.cpu[Slot.dr + 6] == DebugTrapTests.clear | 0x4000)
    // And takes it away: none.
    let ending = try SystemMachine([0x48, 0x0f, 0x07]) {
      prepare(&$0)
      $0.gpr[1] = 0x8100
      $0.gpr[11] = 2
    }
    ending.memory.write([0x90, 0x90], at: GuestPhysicalAddress(0x8100))
    try ending.run(2)
    #expect(ending.cpu.rip == 0x8101)
  }

  /// IRET and POPF that set TF trap behind the next instruction.
  @Test func returnWithTheTrapFlag() throws {
    let machine = try SystemMachine([0x48, 0xcf])
    machine.setStack([0x8100, 0x2b, 0x102, 0x7000, 0x23])
    machine.memory.write([0x90, 0x90], at: GuestPhysicalAddress(0x8100))
    try machine.run(3)
    #expect(machine.cpu.rip == SystemMachine.handler(1) + 1)
    #expect(machine.frame(1) == [0x8101])
  }

  /// A trap wakes a CPU that has just executed HLT.
  @Test func haltUnderTheTrapFlag() throws {
    let machine = try SystemMachine([0xf4, 0x90]) { $0.rflags |= RFlags.tf }
    try machine.run(2)
    #expect(machine.cpu.rip == SystemMachine.handler(1) + 1)
    #expect(machine.frame(1) == [SystemMachine.code + 1])
  }

  /// LSS casts no shadow (`movToSSHoldsInterruptsOff` is its counterpart).
  @Test func lssCastsNoShadow() throws {
    let machine = try SystemMachine([0x48, 0x0f, 0xb2, 0x20]) { $0.gpr[0] = 0x9000 }
    machine.memory.store(UInt64(0x6f00), at: GuestPhysicalAddress(0x9000))
    machine.memory.store(UInt16(0x10), at: GuestPhysicalAddress(0x9008))
    try machine.run(1)
    #expect(machine.cpu.rsp == 0x6f00)
    #expect(try machine.engine.state().interruptShadow == 0)
  }

  /// A debugger's watch is not hit by bytes that FXSAVE and MASKMOVDQU leave alone.
  @Test(arguments: [(UInt64(0x9008), false), (0x9000, true)])
  func debuggersWatchSeesTouchedBytes(address: UInt64, isHit: Bool) throws {
    // maskmovdqu xmm0, xmm1
    let machine = try SystemMachine([0x66, 0x0f, 0xf7, 0xc1, 0x90, 0x90]) {
      $0.gpr[7] = 0x9000
      $0.xmm[2] = 0x80
    }
    machine.engine.setWatches([DebugWatch(address: address, count: 1, kind: .write)])
    try machine.run(2)
    #expect(machine.cpu.rip == SystemMachine.code + (isHit ? 4 : 5))
  }
}
