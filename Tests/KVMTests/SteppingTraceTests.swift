import GuestMemory
import KVM
import Testing
import VMMCore

/// Stepping is not to be seen by the guest: a run in single steps ends in the same registers and memory as a free one.
extension KVMTests {
  @Suite struct SteppingTraceTests {
    typealias M = MachineCode

    private static let border: UInt64 = 0x20_0000
    private static let entry = ProbeGuest.pageTables + 0x2000 + 8

    /// REP STOSB into a page that the page-fault handler maps when it is met, a #UD whose handler skips it, stack use
    /// all the while.
    private func machine() throws -> (ProbeGuest, KVMEngine) {
      let program = code(
        M.mov(.rax, 0x55), M.mov(.rdi, SteppingTraceTests.border - 100), M.mov(.rcx, 300), M.push(.rax), M.repStosB,
        M.pop(.rbx), M.ud2, M.push(.rcx), M.pop(.rdx), M.hlt)
      let guest = try ProbeGuest(kernel: program)
      guest.memory.store(UInt64(0), at: GuestPhysicalAddress(SteppingTraceTests.entry))
      // Saves RAX and RDI, writes the entry, and drops the error code.
      guest.setHandler(
        14,
        code(
          M.push(.rax), M.push(.rdi), M.mov(.rdi, SteppingTraceTests.entry),
          M.mov(.rax, SteppingTraceTests.border | 0x87),
          M.storeRAX(size: 8), M.pop(.rdi), M.pop(.rax), [0x48, 0x83, 0xc4, 0x08], M.iretq))
      // ADD qword [rsp], 2.
      guest.setHandler(6, code([0x48, 0x83, 0x04, 0x24, 0x02], M.iretq))
      return (guest, try KVMEngine(guest))
    }

    private func memory(_ guest: ProbeGuest) -> [UInt8] { guest.memory.read(GuestPhysicalAddress(0), count: 3 << 20)! }

    @Test func stepsLeaveNoTrace() throws {
      let (freeGuest, free) = try machine()
      #expect(try free.run(.free) == .halt)
      let (guest, stepped) = try machine()
      var count: UInt64 = 0
      while try stepped.run(.instructions(1)) == .stopped { count += 1 }
      // Four before REP, nine in the page-fault handler, REP, POP, two in the #UD handler, PUSH, POP.
      #expect(count == 19)
      #expect(try stepped.state().halted)
      #expect(try stepped.state().differences(from: free.state()).map(\.name) == [])
      #expect(memory(guest) == memory(freeGuest))
    }

    /// All of the steps at once, and in every division into two.
    @Test func stepsAddUp() throws {
      for first in UInt64(1)..<19 {
        let (_, engine) = try machine()
        #expect(try engine.run(.instructions(first)) == .stopped)
        #expect(try engine.run(.instructions(100)) == .halt)
        #expect(engine.steppedInstructions == 19 - first, "after \(first)")
      }
    }

    /// A kick while stepping tells how far it came.
    @Test func kickedStepsAreCounted() throws {
      let engine = try KVMEngine(ProbeGuest(kernel: code(M.inc(.rax), M.jump(-3))))
      let timer = KickTimer(engine)
      var total: UInt64 = 0
      for round in UInt64(1)...100 {
        try timer.arm(deadline: KickTimer.now + round * 10_000)
        #expect(try engine.run(.instructions(.max)) == .kicked)
        total += engine.steppedInstructions
      }
      let state = try engine.state()
      #expect(state.rax * 2 - (state.rip == ProbeGuest.kernel ? 0 : 1) == total)
      #expect(total > 0)
    }

    @Test func kickEndsTheSearchForAnAddress() throws {
      let engine = try KVMEngine(ProbeGuest(kernel: code(M.inc(.rax), M.jump(-3), M.nop)))
      let timer = KickTimer(engine)
      try timer.arm(deadline: KickTimer.now + 500_000)
      #expect(try engine.run(.until(rip: ProbeGuest.kernel + 5)) == .kicked)
    }
  }
}
