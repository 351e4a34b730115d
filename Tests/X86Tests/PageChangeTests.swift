import GuestMemory
import Testing
import VMMCore

@testable import X86

/// Ways to code and data that were found once hold only as long as the translation they were found under, and nobody
/// can tell from the page tables how far ahead they were looked for.
@Suite("Mappings that change under running code")
struct PageChangeTests {
  /// The second GiB has a directory and a table of its own.
  private static let linear: UInt64 = 0x4000_0000
  private static let directory: UInt64 = 0x20_0000
  private static let table: UInt64 = 0x20_1000
  private static let page: UInt64 = 0x30_0000
  private static let accessed: UInt64 = 0x20
  private static let global: UInt64 = 0x100

  /// Maps the first pages of the second GiB by these entries; `code` lies at an offset in the first one.
  private static func machine(
    _ entries: [UInt64], offset: UInt64, code: [UInt8], prepare: (inout CPUState) -> Void = { _ in }
  ) throws -> Machine {
    let machine = try Machine(.long64) {
      $0.rip = linear + offset
      prepare(&$0)
    }
    let memory = machine.memory
    memory.store(directory | 7, at: GuestPhysicalAddress(Machine.tables + 0x1008))
    memory.store(table | 7, at: GuestPhysicalAddress(directory))
    for (index, entry) in entries.enumerated() {
      memory.store(entry, at: GuestPhysicalAddress(table + 8 * UInt64(index)))
    }
    memory.write(code, at: GuestPhysicalAddress(page + offset))
    return machine
  }

  private static func setEntry(_ machine: Machine, _ index: UInt64, _ value: UInt64) {
    machine.memory.store(value, at: GuestPhysicalAddress(table + 8 * index))
  }

  /// NOP in the last byte of a page; the next one begins with a JMP back to it.
  private static func loopOverThePagesEnd() throws -> Machine {
    try machine([page | 7, (page + 0x1000) | 7], offset: 0xfff, code: [0x90, 0xeb, 0xfd])
  }

  @Test func `code that runs on into the next page faults when that one is gone`() throws {
    let machine = try PageChangeTests.loopOverThePagesEnd()
    machine.run(20)
    PageChangeTests.setEntry(machine, 1, 0)
    _ = machine.cpu.runToEvent(limit: machine.cpu.retired + 20)
    #expect(machine.cpu.pendingEvent?.vector == ExceptionVector.pageFault)
    #expect(machine.cpu.rip == PageChangeTests.linear + 0x1000)
    #expect(machine.cpu.cr2 == PageChangeTests.linear + 0x1000)
  }

  @Test func `code that runs on into the next page follows its mapping`() throws {
    let machine = try PageChangeTests.loopOverThePagesEnd()
    machine.run(20)
    // inc eax; jmp back over the page's end.
    machine.memory.write([0xff, 0xc0, 0xeb, 0xfb], at: GuestPhysicalAddress(PageChangeTests.page + 0x2000))
    PageChangeTests.setEntry(machine, 1, (PageChangeTests.page + 0x2000) | 7)
    machine.run(30)
    #expect(machine.cpu.rax == 10)
  }

  @Test func `the next page counts as accessed when its first instruction is executed, and not before`() throws {
    let machine = try PageChangeTests.loopOverThePagesEnd()
    let entry = PageChangeTests.table + 8
    machine.run(1)
    #expect(machine.load(entry, UInt64.self) & PageChangeTests.accessed == 0)
    machine.run(1)
    #expect(machine.load(entry, UInt64.self) & PageChangeTests.accessed != 0)
  }

  /// mov eax, imm32 from the last byte but one of a page on; jmp back.
  private static let acrossThePagesEnd: [UInt8] = [0xb8, 1, 2, 3, 4, 0xeb, 0xf9]

  @Test func `an instruction may end in the page it began in, mapped twice`() throws {
    let page = PageChangeTests.page
    let machine = try PageChangeTests.machine(
      [page | 7, page | 7], offset: 0xffe, code: [UInt8](PageChangeTests.acrossThePagesEnd.prefix(2)))
    machine.memory.write([UInt8](PageChangeTests.acrossThePagesEnd.dropFirst(2)), at: GuestPhysicalAddress(page))
    machine.run(20)
    #expect(machine.cpu.rax == 0x0403_0201)
    machine.memory.write([9], at: GuestPhysicalAddress(page + 1))
    machine.run(2)
    #expect(machine.cpu.rax == 0x0409_0201)
    machine.memory.write([8], at: GuestPhysicalAddress(page + 0xfff))
    machine.run(2)
    #expect(machine.cpu.rax == 0x0409_0208)
  }

  @Test func `an instruction may end in the first page of memory`() throws {
    let machine = try PageChangeTests.machine(
      [PageChangeTests.page | 7, 7], offset: 0xffe, code: [UInt8](PageChangeTests.acrossThePagesEnd.prefix(2)))
    machine.memory.write([UInt8](PageChangeTests.acrossThePagesEnd.dropFirst(2)), at: GuestPhysicalAddress(0))
    machine.run(20)
    #expect(machine.cpu.rax == 0x0403_0201)
    machine.memory.write([9], at: GuestPhysicalAddress(1))
    machine.run(2)
    #expect(machine.cpu.rax == 0x0409_0201)
  }

  /// What stays cached over a CR3 load may never show: the engine can be restored to any place without it.
  @Test(arguments: [false, true])
  func `a CR3 load leads to the new tables, from global pages too`(sharesTables: Bool) throws {
    let (root, pointers) = (UInt64(0x21_0000), UInt64(0x21_1000))
    let page = PageChangeTests.page
    let machine = try PageChangeTests.machine([page | 7 | PageChangeTests.global], offset: 0, code: []) {
      $0.rip = Machine.codeAddress
      $0.cr4 |= 0x80
      ($0.gpr[6], $0.gpr[7]) = (root, PageChangeTests.linear)
    }
    let memory = machine.memory
    // mov eax, [rdi]; mov cr3, rsi; mov ebx, [rdi]
    memory.write([0x8b, 0x07, 0x0f, 0x22, 0xde, 0x8b, 0x1f], at: GuestPhysicalAddress(Machine.codeAddress))
    memory.store(UInt32(11), at: GuestPhysicalAddress(page))
    memory.store(UInt32(22), at: GuestPhysicalAddress(page + 0x1000))
    // The other tables: the first GiB as before, the second by a directory and a table that follow.
    let pointerTable = sharesTables ? Machine.tables + 0x1000 : pointers
    memory.store(pointerTable | 7, at: GuestPhysicalAddress(root))
    memory.store(Machine.tables + 0x2007, at: GuestPhysicalAddress(pointers))
    memory.store((pointers + 0x1000) | 7, at: GuestPhysicalAddress(pointers + 8))
    memory.store((pointers + 0x2000) | 7, at: GuestPhysicalAddress(pointers + 0x1000))
    memory.store((page + 0x1000) | 7, at: GuestPhysicalAddress(pointers + 0x2000))
    machine.run(3)
    #expect(machine.cpu.rax == 11)
    #expect(machine.cpu.rbx == (sharesTables ? 11 : 22))
    #expect(machine.load(root, UInt64.self) & PageChangeTests.accessed != 0)
  }
}
