import Testing
internal import VMMCore

@testable internal import X86

/// What faults leave behind on the CPUs of each maker, where only a fault shows it. The values are measured.
@Suite struct FaultTraitTests {
  /// A page that is not there begins at 0x400000.
  private func machine(_ code: [UInt8], _ trait: UndefinedProfile.Trait, _ holds: Bool, steps: UInt64) throws
    -> SystemMachine
  {
    let machine = try SystemMachine(code)
    var profile = UndefinedProfile()
    profile[trait] = holds
    machine.cpu.adopt(profile)
    machine.cpu.cr4 |= CR4.osfxsr
    try machine.run(steps)
    return machine
  }

  @Test(arguments: [false, true]) func flagsOfAScanThatFaults(putsBack: Bool) throws {
    // MOV EDI, 400000H - 4; MOV ECX, 16; MOV AL, 55H; STC; REPNE SCASB: of 55H and 0 there is no carry.
    let code: [UInt8] = [0xbf, 0xfc, 0xff, 0x3f, 0, 0xb9, 16, 0, 0, 0, 0xb0, 0x55, 0xf9, 0xf2, 0xae]
    let machine = try machine(code, .restoresStringFlags, putsBack, steps: 5)
    #expect(machine.cpu.rip == SystemMachine.handler(14))
    #expect(machine.cpu.rcx == 12)
    #expect(machine.frame(4)[3] & 1 == (putsBack ? 1 : 0))
  }

  @Test(arguments: [false, true]) func anX87StoreOfNothing(skips: Bool) throws {
    // FNINIT; PUSH 37EH; FLDCW [RSP]; FISTP QWORD [400000H]
    let code: [UInt8] = [0xdb, 0xe3, 0x68, 0x7e, 3, 0, 0, 0xd9, 0x2c, 0x24, 0xdf, 0x3c, 0x25, 0, 0, 0x40, 0]
    let machine = try machine(code, .skipsStoresOfX87Errors, skips, steps: 4)
    #expect((machine.cpu.rip == SystemMachine.handler(14)) == !skips)
    #expect(machine.cpu[Slot.fsw] & 0xff == (skips ? 0xc1 : 0))
  }

  @Test(arguments: [false, true]) func theHalfThatFaults(upperFirst: Bool) throws {
    // MOV EDI, 400000H - 4; MASKMOVDQU XMM0, XMM1
    let code: [UInt8] = [0xbf, 0xfc, 0xff, 0x3f, 0, 0x66, 0x0f, 0xf7, 0xc1]
    let machine = try machine(code, .checksUpperHalfFirst, upperFirst, steps: 2)
    #expect(machine.cpu.rip == SystemMachine.handler(14))
    #expect(machine.cpu.cr2 == (upperFirst ? 0x40_0004 : 0x40_0000))
  }

  /// In a step and in a block; the register form is the same for both.
  @Test(arguments: [false, true], [false, true]) func aWordThatIsExtendedToAWord(readsTwo: Bool, inBlock: Bool) throws {
    // MOV EDX, -2; MOVSXD AX, EDX; MOVSXD CX, [400000H - 2]
    let code: [UInt8] = [
      0xba, 0xfe, 0xff, 0xff, 0xff, 0x66, 0x63, 0xc2, 0x66, 0x63, 0x0c, 0x25, 0xfe, 0xff, 0x3f, 0,
    ]
    let machine = try machine(code, .extendsWordsOfMOVSXD, readsTwo, steps: inBlock ? 0 : 3)
    if inBlock { _ = machine.cpu.run(until: 3) }
    #expect(machine.cpu.rax & 0xffff == 0xfffe)
    #expect((machine.cpu.rip == SystemMachine.handler(14)) == !readsTwo)
    if !readsTwo { #expect(machine.cpu.cr2 == 0x40_0000) }
  }

  /// The first half lies in a page that is not there; the second one's addresses are not canonical.
  @Test func theHalfThatIsNotCanonical() throws {
    // MOV RDI, 7FFFFFFFFFF8H; MASKMOVDQU XMM0, XMM1
    let code: [UInt8] = [0x48, 0xbf, 0xf8, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0x66, 0x0f, 0xf7, 0xc1]
    let machine = try machine(code, .checksUpperHalfFirst, false, steps: 2)
    #expect(machine.cpu.rip == SystemMachine.handler(14))
  }

  @Test(arguments: [false, true]) func topBehindAStoreThatFaults(clears: Bool) throws {
    // FNINIT; FLD1; MOVD [400000H], MM0
    let code: [UInt8] = [0xdb, 0xe3, 0xd9, 0xe8, 0x0f, 0x7e, 0x04, 0x25, 0, 0, 0x40, 0]
    let machine = try machine(code, .mmxStoresClearTop, clears, steps: 3)
    #expect(machine.cpu.rip == SystemMachine.handler(14))
    #expect(machine.cpu[Slot.fpuTop] & 7 == (clears ? 0 : 7))
    #expect(machine.cpu[Slot.ftw] == 0x80)
  }

  /// OF behind ROL EAX, 3 of 40000000H: kept, or as the first place leaves it.
  @Test(arguments: [false, true]) func kernelCodeThatRotates(byCL: Bool) throws {
    let code: [UInt8] = [0x31, 0xc0, 0xb8, 0, 0, 0, 0x40, 0xc1, 0xc0, 3]
    let machine = try SystemMachine(code)
    var profile = UndefinedProfile()
    profile[.rotate] = FlagRule([.of: .firstPlace])
    profile[.rotateByImmediate] = FlagRule([.of: .kept])
    profile[.kernelRotatesByCL] = byCL
    machine.cpu.adopt(profile)
    try machine.run(3)
    #expect(machine.cpu.of == byCL)
  }
}
