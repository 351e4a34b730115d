import GuestMemory
import Testing
import VMMCore

@testable import KVM

extension KVMTests {
  /// RDTSC at known addresses is an interaction, by breakpoints or by a HLT in its place.
  @Suite struct TimestampTests {
    typealias M = MachineCode

    private static let ways = [true] + (HostFitness.stopsAtAddresses ? [false] : [])
    private static let value: UInt64 = 0x1234_5678_9abc_def0

    /// NOP, RDTSC, two reports, HLT.
    private func engine(halts: Bool, at offset: UInt64 = 1) throws -> (KVMEngine, ProbeGuest) {
      let guest = try ProbeGuest(kernel: code(M.nop, M.rdtsc, M.out(0x10), M.hlt))
      let engine = try KVMEngine(guest)
      engine.timestampsHalt = halts
      try engine.trapTimestamps(at: [ProbeGuest.kernel + offset])
      return (engine, guest)
    }

    @Test(arguments: ways) func valueComesFromOutside(halts: Bool) throws {
      let (engine, guest) = try engine(halts: halts)
      let before = guest.memory.read(GuestPhysicalAddress(ProbeGuest.kernel), count: 8)
      _ = guest.memory.takeDirtyPages()
      #expect(try engine.run(.free) == .timestampRead)
      engine.reply(TimestampTests.value)
      #expect(guest.memory.read(GuestPhysicalAddress(ProbeGuest.kernel), count: 8) == before)
      #expect(try engine.state().rip == ProbeGuest.kernel + 3)
      #expect(try engine.state().rax == TimestampTests.value & 0xffff_ffff)
      #expect(try engine.state().rdx == TimestampTests.value >> 32)
      #expect(try engine.run(.free) == .portWrite(port: 0x10, size: 1, value: UInt32(TimestampTests.value & 0xff)))
      #expect(try engine.run(.free) == .halt)
      try engine.collectDirtyPages()
      #expect(!guest.memory.dirtyPages.contains(Int(ProbeGuest.kernel >> 12)))
    }

    @Test(arguments: ways) func underSingleSteps(halts: Bool) throws {
      let (engine, _) = try engine(halts: halts)
      #expect(try engine.run(.instructions(1)) == .stopped)
      #expect(try engine.run(.instructions(1)) == .timestampRead)
      engine.reply(TimestampTests.value)
      #expect(
        try engine.run(.instructions(1)) == .portWrite(port: 0x10, size: 1, value: UInt32(TimestampTests.value & 0xff)))
    }

    /// The guest's own HLT is a HLT, and where the instruction is gone nothing is put in its place.
    @Test func nothingElseIsTaken() throws {
      let (engine, guest) = try engine(halts: true, at: 0)
      let before = guest.memory.read(GuestPhysicalAddress(ProbeGuest.kernel), count: 8)
      guard case .portWrite = try engine.run(.free) else {
        Issue.record("another instruction was replaced")
        return
      }
      #expect(try engine.run(.free) == .halt)
      #expect(guest.memory.read(GuestPhysicalAddress(ProbeGuest.kernel), count: 8) == before)
    }
  }
}
