import GuestMemory
import Testing
import VMMCore

@testable import X86

/// An instruction of `AlignedCode`.
struct AlignedForm: Sendable, CustomTestStringConvertible {
  var name: String
  var code: [UInt8]
  /// What #AC wants the operand to be aligned to, and what #GP does in any case (1: nothing).
  var unit: UInt64
  var always: UInt64
  var testDescription: String { name }

  static let all = AlignedCode.byUnit.sorted { $0.key < $1.key }.flatMap { unit, list in
    let numbers = unit.split(separator: ",").map { ($0.hasSuffix("!"), UInt64($0.filter(\.isNumber)) ?? 0) }
    return list.split { " \n".contains($0) }.map { entry in
      let parts = entry.split(separator: ":")
      return AlignedForm(
        name: String(parts[0]),
        code: stride(from: 0, to: parts[1].count, by: 2).compactMap {
          UInt8(parts[1].dropFirst($0).prefix(2), radix: 16)
        },
        unit: numbers.first { !$0.0 }?.1 ?? 1, always: numbers.first { $0.0 }?.1 ?? 1)
    }
  }

  /// The exception of an operand at this distance from an aligned place; 0 for none.
  func vector(at distance: UInt64, checks: Bool) -> UInt8 {
    if checks, distance % unit != 0 { return 17 }
    return distance % always != 0 ? 13 : 0
  }
}

/// Alignment checks (Intel SDM vol. 3, 6.15; AMD APM vol. 2, 8.2.18).
@Suite struct AlignmentTests {
  private static let data: UInt64 = 0x9000

  @Test(arguments: AlignedForm.all)
  func wantsItsAlignment(_ form: AlignedForm) throws {
    for distance in UInt64(0)..<16 {
      for inBlocks in [false, true] {
        #expect(
          try vector(of: form, at: distance, inBlocks: inBlocks) == form.vector(at: distance, checks: true),
          "+\(distance), in blocks: \(inBlocks)")
      }
    }
  }

  /// Without CR0.AM, without RFLAGS.AC, and in the kernel there are no checks.
  @Test(arguments: [(0, RFlags.ac, true), (CR0.am, 0, true), (CR0.am, RFlags.ac, false)])
  func needsAllThree(cr0: UInt64, flags: UInt64, user: Bool) throws {
    for form in AlignedForm.all {
      let found = try vector(of: form, at: 1, inBlocks: true, cr0: cr0, flags: flags, user: user)
      #expect(found == form.vector(at: 1, checks: false), "\(form.name)")
    }
  }

  /// #GP for an address that is not canonical goes before #AC, #PF behind it.
  @Test(arguments: [(UInt64(0x80_0001), UInt8(17)), (0x80_0000, 14), (0x8000_0000_0001, 13)])
  func priorities(address: UInt64, vector: UInt8) throws {
    let machine = try self.machine(code: [0x8b, 0x07], address: address)
    try machine.run(1)
    #expect(machine.cpu.rip == SystemMachine.handler(vector))
    if vector == 17 {
      #expect(machine.frame(2) == [0, SystemMachine.code])
      #expect(machine.frame(4)[3] & RFlags.ac != 0)
    }
  }

  /// The CPU's own accesses are not checked: a descriptor table and a stack of the kernel at odd addresses.
  @Test func systemAccessesAreNotChecked() throws {
    // mov eax, 0x23; mov ds, eax; int 0x80
    let machine = try self.machine(code: [0xb8, 0x23, 0, 0, 0, 0x8e, 0xd8, 0xcd, 0x80], address: 0)
    for index in UInt64(0)..<9 {
      machine.memory.store(machine.word(SystemMachine.gdt + 8 * index), at: GuestPhysicalAddress(0xa001 + 8 * index))
    }
    var state = try machine.engine.state()
    state.gdtr.base = 0xa001
    try machine.engine.setState(state)
    try machine.run(3)
    #expect(machine.cpu.rip == SystemMachine.handler(0x80))
  }

  /// POPF switches it on in the middle of a block's page; the handler runs unchecked, and IRET goes back to it.
  @Test func flagTakesEffectAtOnce() throws {
    // pushf; or dword [rsp], 1 << 18; popf; mov eax, [rdi]
    let code: [UInt8] = [0x9c, 0x81, 0x0c, 0x24, 0, 0, 4, 0, 0x9d, 0x8b, 0x07, 0xeb, 0xfe]
    let machine = try self.machine(code: code, address: AlignmentTests.data + 1, flags: 0)
    // The handler reads an odd address, moves the saved RIP on, and returns: mov ax, [rdi]; add rsp, 8; add
    // dword [rsp], 2; iretq
    machine.memory.write(
      [0x66, 0x8b, 0x07, 0x48, 0x83, 0xc4, 8, 0x83, 0x04, 0x24, 2, 0x48, 0xcf],
      at: GuestPhysicalAddress(SystemMachine.handler(17)))
    try machine.run(20)
    #expect(machine.cpu.rip == SystemMachine.code + 11)
    #expect(machine.cpu.rflags & RFlags.ac != 0)
  }

  private func vector(
    of form: AlignedForm, at distance: UInt64, inBlocks: Bool, cr0: UInt64 = CR0.am, flags: UInt64 = RFlags.ac,
    user: Bool = true
  ) throws -> UInt8 {
    let loop: [UInt8] = [0xeb, 0xfe]
    let machine = try self.machine(
      code: form.code + loop, address: AlignmentTests.data + distance, cr0: cr0, flags: flags, user: user)
    for vector in [UInt8(6), 13, 14, 17] {
      machine.memory.write(loop, at: GuestPhysicalAddress(SystemMachine.handler(vector)))
    }
    if inBlocks {
      try machine.run(20)
    } else {
      for _ in 0..<20 { try machine.run(1) }
    }
    let place = machine.cpu.rip
    if place == SystemMachine.code + UInt64(form.code.count) { return 0 }
    return UInt8((place - SystemMachine.handlers) / 16)
  }

  private func machine(
    code: [UInt8], address: UInt64, cr0: UInt64 = CR0.am, flags: UInt64 = RFlags.ac, user: Bool = true
  ) throws -> SystemMachine {
    try SystemMachine(code, user: user) {
      for number in [0, 1, 2] { $0.gpr[number] = 0 }
      $0.gpr[7] = address
      $0.gpr[6] = address & ~15
      $0.cr0 |= cr0
      $0.rflags |= flags
    }
  }
}
