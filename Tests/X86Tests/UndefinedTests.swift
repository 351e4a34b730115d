internal import Support
import Testing
internal import VMMCore

@testable internal import X86

/// The software CPU's imitation of what the manuals leave undefined: probed as a host is.
@Suite struct UndefinedTests {
  /// The profile that the probe finds in the software CPU with this profile.
  private func found(in profile: UndefinedProfile, inBlocks: Bool = false) throws -> UndefinedProfile {
    try probe(profile, inBlocks: inBlocks).profile()
  }

  private func probe(_ profile: UndefinedProfile, inBlocks: Bool) throws -> UndefinedProbe {
    UndefinedProbe(
      has: { _ in true }, execute: try executor(.long64, profile, inBlocks),
      executeLegacy: try executor(.protected32, profile, inBlocks))
  }

  private func executor(_ mode: Machine.Mode, _ profile: UndefinedProfile, _ inBlocks: Bool) throws
    -> UndefinedProbe.Execute
  {
    let machine = try Machine(mode, undefined: profile) { $0.cr4 |= CR4.osxsave }
    return { code, registers in
      let end = machine.place(code + [0xf4])
      let cpu = machine.cpu
      (cpu.rax, cpu.rcx, cpu.rdx, cpu.rbx) = (registers.rax, registers.rcx, registers.rdx, registers.rbx)
      if mode == .protected32 { cpu.rbx = 0x7000 }
      cpu.rflags = registers.flags | 2
      cpu.rip = Machine.codeAddress
      if inBlocks {
        _ = cpu.run(until: cpu.retired + 100)
      } else {
        while cpu.rip < end - 1 { _ = cpu.step() }
      }
      cpu[Slot.halted] = 0
      return UndefinedProbe.Registers(rax: cpu.rax, rcx: cpu.rcx, rdx: cpu.rdx, rbx: cpu.rbx, flags: cpu.rflags)
    }
  }

  /// What only a fault shows, which the probe of a host looks for apart.
  private static let traitsOfFaults: [UndefinedProfile.Trait] = [
    .restoresStringFlags, .skipsStoresOfX87Errors, .checksUpperHalfFirst, .mmxStoresClearTop,
    .extendsWordsOfMOVSXD,
  ]

  /// But for transcendental functions, whose last bit the software CPU has from exact arithmetic.
  private func withoutTranscendentals(_ profile: UndefinedProfile) -> UndefinedProfile {
    var profile = profile
    profile[.transcendentals] = 0
    return profile
  }

  @Test(arguments: [false, true])
  func `the probe finds every known profile in the software CPU that has it`(inBlocks: Bool) throws {
    for (name, profile) in UndefinedProfile.named {
      let found = withoutTranscendentals(try found(in: profile, inBlocks: inBlocks))
      var wanted = withoutTranscendentals(profile)
      for result in UndefinedProfile.Result.allCases where !profile.isImitated(result) { wanted[result] = 0 }
      for trait in Self.traitsOfFaults { wanted[trait] = false }
      // What cannot be imitated is as in the reference.
      for flags in UndefinedFlags.allCases {
        for flag in flags.flags where wanted[flags][flag] == .other { wanted[flags][flag] = flags.reference[flag] }
      }
      #expect(found.items(unlike: wanted) == [], "\(name)")
    }
  }

  @Test(arguments: [false, true])
  func `and any other one`(inBlocks: Bool) throws {
    var random = SeededRandom(seed: 3)
    for _ in 0..<20 {
      var profile = UndefinedProfile()
      for flags in UndefinedFlags.allCases where flags != .logic {
        for flag in flags.flags {
          profile[flags][flag] = random.pick([flags.reference[flag], .kept, .cleared, .set])
        }
      }
      profile.longDoubleShift = random.pick([.secondTwice, .firstAgain])
      profile[.scanOfZeroClearsUpperHalf] = random.chance(50)
      profile[.narrowsX87Pointers] = random.chance(50)
      profile[.leavesX87Gaps] = random.chance(50)
      profile[.alwaysSavesX87Pointers] = random.chance(50)
      profile[.notesX87OperandsOfErrors] = profile[.alwaysSavesX87Pointers] && random.chance(50)
      profile[.keepsX87OperandPointers] = random.chance(50)
      profile[.sumsDotProductsByLane] = random.chance(50)
      profile[.pushesSegmentsAsWords] = random.chance(50)
      profile[.repeatOfZeroClearsUpperHalves] = random.chance(50)
      // What a result of zero has it like is set.
      profile[.bitScanOfZero][.pf] = .result
      let found = withoutTranscendentals(try found(in: profile, inBlocks: inBlocks))
      #expect(found.items(unlike: profile) == [])
    }
  }

  @Test func `a flag that a shift keeps is computed before it`() throws {
    var profile = UndefinedProfile()
    profile[.shiftLeft] = FlagRule([.af: .kept, .of: .onePlace])
    // ADD EAX, EBX; SHL EAX, 3: the addition carries out of bit 3.
    let code: [UInt8] = [0x01, 0xd8, 0xc1, 0xe0, 0x03, 0xf4]
    for sum in [UInt64(1), 0] {
      let machine = try Machine(.long64, code: code, undefined: profile)
      (machine.cpu.rax, machine.cpu.rbx) = (15, sum)
      machine.run(3)
      #expect(machine.cpu.af == (sum == 1))
    }
  }

  @Test func `what no profile imitates is noted`() throws {
    // FLD1; FSIN; RCPPS XMM0, XMM0; HLT.
    let machine = try Machine(.long64, code: [0xd9, 0xe8, 0xd9, 0xfe, 0x0f, 0x53, 0xc0, 0xf4])
    machine.run(4)
    let doubts = machine.cpu.takeDoubts()
    #expect(
      doubts == [
        UndefinedDoubt(about: .result(.approximations), behind: Machine.codeAddress + 7),
        UndefinedDoubt(about: .result(.transcendentals), behind: Machine.codeAddress + 4),
      ])
    #expect(doubts.map { $0.isDoubtful(under: .reference) } == [false, true])
    var other = UndefinedProfile()
    other[.approximations] = 1
    #expect(doubts[0].isDoubtful(under: other))
    #expect(machine.cpu.takeDoubts() == [])
  }

  @Test func `results of the reference are the reference's`() throws {
    let probe = try probe(.reference, inBlocks: false)
    #expect(probe.digest(of: .approximations) == UndefinedProfile.Result.approximations.reference)
    #expect(probe.digest(of: .x87Conditions) == UndefinedProfile.Result.x87Conditions.reference)
  }
}
