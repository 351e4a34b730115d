import GuestMemory
import KVM
import Testing
import VMMCore

extension KVMTests {
  @Suite struct EventTests {
    typealias M = MachineCode

    /// A handler that writes its vector to port 0x80 and returns.
    private func handler(_ vector: UInt8) -> [UInt8] {
      code(M.push(.rax), M.mov(.rax, UInt64(vector)), M.out(0x80), M.pop(.rax), M.iretq)
    }

    @Test func interruptWakesHalt() throws {
      let guest = try ProbeGuest(kernel: code(M.sti, M.hlt, M.out(0x10), M.cli, M.hlt))
      guest.setHandler(0x30, handler(0x30))
      let engine = try KVMEngine(guest)
      #expect(try engine.run(.free) == .halt)
      #expect(try engine.isInterruptible())
      try engine.inject(interrupt: 0x30)
      #expect(try !engine.isInterruptible(), "one is on its way")
      #expect(try engine.state().pendingEvent == PendingEvent(kind: .externalInterrupt, vector: 0x30))
      #expect(try !engine.state().halted)
      #expect(
        try engine.interactions() == [
          .portWrite(port: 0x80, size: 1, value: 0x30), .portWrite(port: 0x10, size: 1, value: 0), .halt,
        ])
    }

    @Test func noInterruptWhileTheyAreOff() throws {
      let engine = try KVMEngine(ProbeGuest(kernel: code(M.out(0x10), M.hlt)))
      _ = try engine.run(.free)
      #expect(try !engine.isInterruptible())
      #expect(throws: EngineError.self) { try engine.inject(interrupt: 0x30) }
      #expect(try engine.run(.free) == .halt)
    }

    /// STI holds interrupts off for one instruction: at the OUT behind it they are not accepted before it is
    /// complete.
    @Test func interruptAtAPortWriteComesRightBehindIt() throws {
      let guest = try ProbeGuest(kernel: code(M.sti, M.nop, M.out(0x10), M.out(0x11), M.cli, M.hlt))
      guest.setHandler(0x31, handler(0x31))
      let engine = try KVMEngine(guest)
      #expect(try engine.run(.free) == .portWrite(port: 0x10, size: 1, value: 0))
      #expect(try engine.isInterruptible())
      try engine.inject(interrupt: 0x31)
      #expect(
        try engine.interactions() == [
          .portWrite(port: 0x80, size: 1, value: 0x31), .portWrite(port: 0x11, size: 1, value: 0), .halt,
        ])
    }

    @Test func nmiIsDeliveredWithInterruptsOff() throws {
      let guest = try ProbeGuest(kernel: code(M.hlt, M.out(0x10), M.hlt))
      guest.setHandler(2, handler(2))
      let engine = try KVMEngine(guest)
      #expect(try engine.run(.free) == .halt)
      try engine.injectNMI()
      #expect(
        try engine.interactions() == [
          .portWrite(port: 0x80, size: 1, value: 2), .portWrite(port: 0x10, size: 1, value: 0), .halt,
        ])
      #expect(try !engine.state().nmiMasked, "IRETQ lifted the mask")
    }

    @Test func secondNMIWaitsForTheFirst() throws {
      let guest = try ProbeGuest(kernel: code(M.hlt, M.out(0x10), M.hlt))
      guest.setHandler(2, handler(2))
      let engine = try KVMEngine(guest)
      #expect(try engine.run(.free) == .halt)
      try engine.injectNMI()
      #expect(try engine.run(.free) == .portWrite(port: 0x80, size: 1, value: 2))
      try engine.injectNMI()
      let state = try engine.state()
      #expect(state.nmiMasked && state.nmiPending)
      // How soon after IRETQ it comes is the host's affair: some notice at their next entry only.
      let rest = try engine.interactions()
      let nmi = VCPUExit.portWrite(port: 0x80, size: 1, value: 2)
      #expect(rest.filter { $0 == nmi }.count == 1)
      #expect(rest.filter { $0 != nmi } == [.portWrite(port: 0x10, size: 1, value: 0), .halt])
    }

    @Test func dirtyPagesAreTheWrittenOnes() throws {
      let first = ProbeGuest.data
      let second = ProbeGuest.data + 0x5_0000
      let guest = try ProbeGuest(
        kernel: code(
          M.mov(.rdi, first), M.storeRAX(size: 8), M.mov(.rdi, second + 0xffc), M.storeRAX(size: 8), M.hlt))
      let engine = try KVMEngine(guest)
      _ = guest.memory.takeDirtyPages()
      #expect(try engine.interactions() == [.halt])
      try engine.collectDirtyPages()
      let pages = [first, second, second + 0x1000].map { Int($0 / 4096) }
      // Page tables, whose accessed bits were set, are dirty too.
      let tables = 1...3
      #expect(guest.memory.takeDirtyPages().filter { !tables.contains($0) } == pages)
      try engine.collectDirtyPages()
      #expect(guest.memory.takeDirtyPages() == [])
    }

    /// What KVM's own emulator cannot do on some hosts: elsewhere it simply runs.
    @Test func instructionsThatAreNotEmulatedAreNamed() throws {
      // PXOR xmm0, xmm1
      let engine = try KVMEngine(ProbeGuest(kernel: code([0x66, 0x0f, 0xef, 0xc1], M.hlt)))
      switch try engine.run(.free) {
      case .halt: break
      case .notEmulated(let bytes):
        #expect(bytes.starts(with: [0x66, 0x0f, 0xef, 0xc1, 0xf4]))
        var state = try engine.state()
        #expect(state.rip == ProbeGuest.kernel)
        state.rip += 4
        try engine.setState(state)
        #expect(try engine.run(.free) == .halt)
      case let exit: Issue.record("\(exit)")
      }
    }
  }
}
