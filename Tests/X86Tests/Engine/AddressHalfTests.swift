import GuestMemory
import Support
import Testing
import VMMCore

@testable import X86

/// What is kept of one half of the linear addresses when the other one's tables change, or CR3 does.
@Suite("The halves of an address space")
struct AddressHalfTests {
  private static let roots: [UInt64] = [Machine.tables, 0x21_0000]
  /// Page-directory pointers for the upper half: of the page at 0, and of the one at 2 MiB.
  private static let pointers: [UInt64] = [0x21_1000, 0x21_3000]
  private static let code: UInt64 = 0xffff_ffff_8000_0000 + Machine.codeAddress
  /// In a root, the entry for the code, and one for data, which has an entry of its own in the translation cache.
  private static let uppers: [UInt64] = [0xff8, 0x800]
  private static let data: UInt64 = 0xffff_8000_0000_a000
  private static let accessed: UInt64 = 0x20

  /// Two address spaces that code in the upper half goes to and fro between.
  private static func machine(translated: Bool, entry: UInt64 = pointers[0] | 7) throws -> Machine {
    let machine = try Machine(.long64) {
      $0.rip = code
      ($0.gpr[6], $0.gpr[7], $0.gpr[8], $0.gpr[10]) = (roots[0], roots[1], 0x9010, 0xa000)
    }
    machine.cpu[SystemSlot.translatesAfter] = translated ? 1 : 0
    let memory = machine.memory
    for root in roots {
      memory.store(Machine.tables + 0x1007, at: GuestPhysicalAddress(root))
      for place in uppers { memory.store(entry, at: GuestPhysicalAddress(root + place)) }
    }
    for (number, table) in pointers.enumerated() {
      for place in [0, 0xff0] as [UInt64] {
        memory.store((table + 0x1000) | 7, at: GuestPhysicalAddress(table + place))
      }
      memory.store(UInt64(number) << 21 | 0x87, at: GuestPhysicalAddress(table + 0x1000))
      // inc ebx, or dec ebx; mov rax, [r10]; nop; mov cr3, rsi; mov [r8], r9; mov cr3, rdi; add edx, [0x9008]; jmp
      // back.
      memory.write(
        [
          0xff, number == 0 ? 0xc3 : 0xcb, 0x49, 0x8b, 0x02, 0x0f, 0x1f, 0x40, 0, 0x0f, 0x22, 0xde, 0x4d, 0x89, 0x08,
          0x0f, 0x22, 0xdf, 0x03, 0x14, 0x25, 0x08, 0x90, 0, 0, 0xeb, 0xe5,
        ], at: GuestPhysicalAddress(Machine.codeAddress + UInt64(number) << 21))
    }
    for (address, value) in [(0xa000, 1), (0x9008, 3), (0x20_a000, 2)] as [(UInt64, UInt64)] {
      memory.store(value, at: GuestPhysicalAddress(address))
    }
    return machine
  }

  /// The guest stores to both halves of both roots, with the accessed bit and without: all is as it is step by step,
  /// with nothing kept from tables in between.
  @Test(arguments: [false, true], [1, 2, 3] as [UInt64])
  func `what is kept does not show`(translated: Bool, seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let whole = try AddressHalfTests.machine(translated: translated)
    let stepped = try AddressHalfTests.machine(translated: false)
    for turn in 0..<3000 {
      if random.oneIn(2) {
        let isUpper = random.oneIn(2)
        let value = isUpper ? random.pick(AddressHalfTests.pointers) | 7 : Machine.tables + 0x1007
        let place = isUpper ? random.pick(AddressHalfTests.uppers) : 0
        let address = random.oneIn(4) ? 0x9010 : random.pick(AddressHalfTests.roots) + place
        let entry = value | (random.oneIn(2) ? AddressHalfTests.accessed : 0)
        for machine in [whole, stepped] {
          machine.cpu.setGPR(8, address)
          machine.cpu.setGPR(9, entry)
        }
      }
      if random.oneIn(2) {
        let data = random.oneIn(2) ? AddressHalfTests.data : 0xa000
        let order = random.oneIn(2) ? AddressHalfTests.roots : AddressHalfTests.roots.reversed()
        for machine in [whole, stepped] {
          machine.cpu.setGPR(10, data)
          for (number, root) in order.enumerated() { machine.cpu.setGPR(6 + number, root) }
        }
      }
      let count = UInt64(1 + random.below(12))
      whole.cpu.advance(count)
      stepped.cpu.crawl(count)
      let entries = [whole, stepped].map { machine in
        AddressHalfTests.roots.flatMap { root in
          ([0] + AddressHalfTests.uppers).map { machine.load(root + $0, UInt64.self) }
        }
      }
      guard whole.cpu.state == stepped.cpu.state, entries[0] == entries[1] else {
        Issue.record("turn \(turn): RIP \(hex(whole.cpu.rip)), stepped \(hex(stepped.cpu.rip)); \(entries)")
        return
      }
    }
  }

  /// Roots that are alike until an access through one of them sets a bit there: it is to be set in the other, too, when
  /// the same is accessed through that.
  @Test(arguments: [false, true])
  func `an access is noted in each root`(translated: Bool) throws {
    let pointers = AddressHalfTests.pointers[0]
    let machine = try AddressHalfTests.machine(
      translated: translated, entry: pointers | 7 | AddressHalfTests.accessed)
    let cpu = machine.cpu
    let places = AddressHalfTests.roots.map { $0 + AddressHalfTests.uppers[1] }
    for place in places { machine.memory.store(pointers | 7, at: GuestPhysicalAddress(place)) }
    let noted = { places.map { machine.load($0, UInt64.self) & AddressHalfTests.accessed } }
    // Ten times through the loop, which ends in the second one's space.
    cpu.advance(80)
    #expect(noted() == [0, 0])
    cpu.setGPR(10, AddressHalfTests.data)
    cpu.advance(8)
    #expect(noted() == [0, AddressHalfTests.accessed])
    (cpu.rsi, cpu.rdi) = (cpu.rdi, cpu.rsi)
    cpu.advance(16)
    #expect(noted() == [AddressHalfTests.accessed, AddressHalfTests.accessed])
  }

  /// The code's own ways are kept while it stores to a table of the lower half and changes the address space.
  @Test func `a kernel keeps its ways`() throws {
    let machine = try AddressHalfTests.machine(translated: true, entry: AddressHalfTests.pointers[0] | 0x27)
    let cpu = machine.cpu
    // The entry of the directory for the second 2 MiB.
    cpu.setGPR(8, Machine.tables + 0x2008)
    cpu.setGPR(9, 0x20_00e7)
    cpu.advance(700)
    let half = { (slot: Int) in [AddressHalf.lower, AddressHalf.upper].map { cpu[slot + $0] } }
    let before = half(Slot.epoch)
    let set = cpu[Slot.jumpCache + AddressHalf.upper]
    cpu.advance(700)
    #expect(half(Slot.epoch)[AddressHalf.upper] == before[AddressHalf.upper])
    #expect(half(Slot.epoch)[AddressHalf.lower] != before[AddressHalf.lower])
    #expect(cpu[Slot.jumpCache + AddressHalf.upper] == set)
    // A store to what maps the code is another thing.
    machine.memory.store(UInt64(0x87), at: GuestPhysicalAddress(AddressHalfTests.pointers[0] + 0x1000))
    #expect(half(Slot.epoch)[AddressHalf.upper] != before[AddressHalf.upper])
  }
}
