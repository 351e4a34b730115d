internal import GuestMemory
import Testing
internal import VMMCore

@testable internal import X86

/// Guests that go wild in ways of their own (triple faults, jumps to where no memory is and tables in a loop have
/// guests in Tests/Guests: GuestTests).
@Suite struct WildGuestTests {
  /// Every exception's frame goes to a stack that is not mapped: the double fault's, too.
  @Test func aStackInUnmappedMemoryEndsInShutdown() throws {
    let machine = try SystemMachine([0x0f, 0x0b]) { $0.gpr[4] = 0x7000_0000 }
    #expect(try machine.run(1000) == .shutdown)
    #expect(try machine.run(1000) == .shutdown)
  }

  /// REP STOSB over everything there is, page tables, descriptor tables and itself included.
  @Test func aHugeCountEndsWhereMemoryDoes() throws {
    for value in [UInt64(0), 0x87, 0xff] {
      let machine = try SystemMachine([0xf3, 0xaa]) { ($0.gpr[0], $0.gpr[1], $0.gpr[7]) = (value, .max, 0) }
      let end = try machine.run(10_000)
      #expect(end == .shutdown || end == .stopped)
      #expect((machine.engine.retiredInstructions ?? 0) <= 10_000)
    }
  }

  /// REP LODSB through all of memory without paging: the first byte behind it is a device's.
  @Test func aHugeCountReachesTheDevicesBehindMemory() throws {
    let machine = try SystemMachine([0xf3, 0xac]) {
      ($0.cr0, $0.efer, $0.cs.attributes) = (0x33, 0, 0xc09b)
      ($0.gpr[1], $0.gpr[6]) = (0xffff_ffff, 0)
    }
    #expect(try machine.run(10) == .mmioRead(address: GuestPhysicalAddress(4 << 20), size: 1))
    #expect(machine.cpu.rcx == 0xffff_ffff - 4 << 20)
  }

  /// REP with a count of 2⁶⁴ - 1 that faults at once, and one that does nothing.
  @Test func aHugeCountWithNothingToDoIsShort() throws {
    let machine = try SystemMachine([0xf3, 0x90, 0xf3, 0xa6]) {
      ($0.gpr[1], $0.gpr[6], $0.gpr[7]) = (.max, 0x8000, 0x8002)
    }
    #expect(try machine.run(3) == .stopped)
    #expect(machine.engine.retiredInstructions == 3)
  }
}
