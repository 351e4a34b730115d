internal import VMMCore

// What the manuals leave undefined, as the CPU model's profile has it. Families do as the reference does, and ask here
// for the rest; nothing is asked on the way of the fast forms, which are chosen only where they do as the profile says.
extension CPU {
  /// Takes a profile in: before the first instruction.
  func adopt(_ profile: UndefinedProfile) {
    for flags in UndefinedFlags.allCases {
      let rule = profile[flags]
      let open = flags.flags.reduce(into: UInt64(0)) { $0 |= 1 << UInt64($1.rawValue) }
      let differing = 1 << 63 | open << 32 | UInt64(rule.word)
      s[Slot.undefinedRules + Int(flags.rawValue)] = rule == flags.reference ? 0 : differing
    }
    s[Slot.undefinedTraits] = profile.traits
    s[Slot.longDoubleShift] = UInt64(profile.longDoubleShift.rawValue)
    s[Slot.approximatesCoarsely] = profile[.approximations] == UndefinedProfile.intelApproximations ? 1 : 0
  }

  /// The CPU of the profile does this.
  @inline(__always) func does(_ trait: UndefinedProfile.Trait) -> Bool { s[Slot.undefinedTraits] & trait.bit != 0 }

  /// The profile is not the reference here.
  @inline(__always) func differs(_ flags: UndefinedFlags) -> Bool { undefinedRule(flags) != 0 }

  @inline(__always) private func undefinedRule(_ flags: UndefinedFlags) -> UInt64 {
    s[Slot.undefinedRules &+ Int(flags.rawValue)]
  }

  /// What these instructions do with the flags that they leave undefined.
  func rule(_ flags: UndefinedFlags) -> FlagRule {
    differs(flags) ? FlagRule(word: UInt32(truncatingIfNeeded: undefinedRule(flags))) : flags.reference
  }

  /// The status flags before an instruction, for `imitate`; anything where the profile is the reference.
  @inline(__always) func flagsBefore(_ flags: UndefinedFlags) -> UInt64 { differs(flags) ? statusFlags : 0 }

  /// The instruction has set its flags as the reference does: now as the profile says.
  ///
  /// - Parameters:
  ///   - places: of a shift or rotation; by one place OF is defined.
  ///   - first: OF as the first of them leaves it.
  @inline(__always)
  func imitate(
    _ flags: UndefinedFlags, before: UInt64, result: UInt64, source: UInt64, size: Int, places: UInt64 = 2,
    first: Bool = false
  ) {
    guard differs(flags) else { return }
    imitateOther(flags, before, result, source, size, places, first)
  }

  @inline(never)
  private func imitateOther(
    _ which: UndefinedFlags, _ before: UInt64, _ result: UInt64, _ source: UInt64, _ size: Int, _ places: UInt64,
    _ first: Bool
  ) {
    let word = undefinedRule(which)
    let rule = FlagRule(word: UInt32(truncatingIfNeeded: word))
    var flags = statusFlags
    for number in 0..<6 where word >> UInt64(32 + number) & 1 != 0 {
      guard let flag = StatusFlag(rawValue: number), flag != .of || places != 1 else { continue }
      let isSet: Bool
      switch rule[flag] {
      case .kept: isSet = before & flag.mask != 0
      case .cleared: isSet = false
      case .set: isSet = true
      case .result: isSet = value(of: flag, in: result, size)
      case .source: isSet = value(of: flag, in: source, size)
      case .signChange: isSet = signBit(result ^ source, size)
      case .firstPlace: isSet = first
      case .onePlace, .adjustment: continue
      case .other:
        note(.flags(which))
        continue
      }
      flags = isSet ? flags | flag.mask : flags & ~flag.mask
    }
    statusFlags = flags
  }

  /// The instruction under way has a result that CPUs have otherwise.
  @inline(__always) func note(_ doubt: UndefinedDoubt.About) { s[Slot.doubts &+ doubt.index] = rip }

  /// What was noted since the last call.
  func takeDoubts() -> [UndefinedDoubt] {
    UndefinedDoubt.About.all.compactMap { about in
      let behind = s[Slot.doubts + about.index]
      s[Slot.doubts + about.index] = 0
      return behind == 0 ? nil : UndefinedDoubt(about: about, behind: behind)
    }
  }

  private func value(of flag: StatusFlag, in word: UInt64, _ size: Int) -> Bool {
    switch flag {
    case .pf: parity(word)
    case .zf: word & sizeMask(size) == 0
    default: signBit(word, size)
    }
  }
}
