import GuestMemory
import Testing
import VMMCore

@testable import X86

/// A debugger's watchpoints of one address space.
@Suite struct WatchSpaceTests {
  private static let root: UInt64 = 0x20_0000
  private static let watched: UInt64 = 0x9000

  /// `mov cr3, rax; mov [0x9000], cl; mov cr3, rbx; mov [0x9000], cl; mov cr3, rdx; mov [0x9000], cl`. The spaces: RAX
  /// a process's tables for the kernel, RBX those for user mode, RDX another process's.
  private static let code: [UInt8] =
    [0x0f, 0x22, 0xd8] + store + [0x0f, 0x22, 0xdb] + store + [0x0f, 0x22, 0xda] + store
  private static let store: [UInt8] = [0x88, 0x0c, 0x25, 0x00, 0x90, 0x00, 0x00]

  /// - Parameter other: RDX. What its top entry leads to is a table of its own, with the same in it.
  private func machine(_ space: UInt64?, other: UInt64 = 0x20_3000) throws -> SystemMachine {
    let root = WatchSpaceTests.root
    let machine = try SystemMachine(WatchSpaceTests.code) {
      $0.gpr[0] = root
      $0.gpr[3] = root + 0x1000
      $0.gpr[2] = other
    }
    let tables = Machine.tables
    machine.memory.store(tables + 0x1007, at: GuestPhysicalAddress(root))
    machine.memory.store(tables + 0x1027, at: GuestPhysicalAddress(root + 0x1000))
    machine.memory.store(tables + 0x3007, at: GuestPhysicalAddress(other))
    machine.memory.store(tables + 0x2007, at: GuestPhysicalAddress(tables + 0x3000))
    machine.engine.setWatches([
      DebugWatch(
        address: WatchSpaceTests.watched, count: 1, kind: .write, space: space.map { AddressSpace(cr3: $0) })
    ])
    return machine
  }

  /// How many instructions are done at each stop.
  private func stops(_ machine: SystemMachine) throws -> [UInt64] {
    var stops: [UInt64] = []
    while let done = machine.engine.retiredInstructions, done < 6 {
      try machine.run(6 - done)
      if machine.engine.takeDebugStop() != nil { stops.append(machine.engine.retiredInstructions ?? 0) }
    }
    return stops
  }

  @Test func everySpace() throws { #expect(try stops(try machine(nil)) == [2, 4, 6]) }

  /// Page-table isolation: one process, two tables.
  @Test(arguments: [root, root + 0x1000, root | 1 << 63]) func aProcessAndItsTwin(space: UInt64) throws {
    #expect(try stops(try machine(space)) == [2, 4])
  }

  @Test func anotherProcess() throws { #expect(try stops(try machine(0x20_3000)) == [6]) }

  /// Without isolation the tables of two processes may lie side by side.
  @Test func neighboursAreNoTwins() throws {
    let machine = try machine(0x20_5000, other: 0x20_4000)
    machine.memory.store(Machine.tables + 0x1007, at: GuestPhysicalAddress(0x20_5000))
    #expect(try stops(machine) == [])
  }
}
