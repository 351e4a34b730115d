/// What a CPU does where the manuals leave it open, as far as engines can imitate it, and where they cannot.
///
/// A profile is part of the CPU model. Software recordings have the reference on every host, so that they are the
/// same everywhere; a recording by the host's CPU has what that CPU does (`UndefinedProbe`).
public struct UndefinedProfile: Equatable, Sendable {
  /// SHLD and SHRD of 16 bits by more than 16 places.
  public enum LongDoubleShift: UInt8, Sendable, CaseIterable {
    /// The bits of the second operand come in twice; CF is clear.
    case secondTwice = 0
    /// The first operand comes in again behind the second.
    case firstAgain
    case other
  }

  /// What a CPU does or does not. The raw values are the numbers in a trace.
  @frozen public enum Trait: UInt8, Sendable, CaseIterable {
    /// BSF and BSR of 32 bits whose source is zero clear the upper half of the destination, and not only leave it
    /// alone.
    case scanOfZeroClearsUpperHalf = 65
    /// What a fault pushes has RF as it was, and not set: emulated CPUs, against the manuals (Intel SDM vol. 3,
    /// 17.3.1.1).
    case faultsKeepResumeFlag = 66
    /// FXRSTOR and XRSTOR with REX.W keep 48 bits of the pointers of the last x87 instruction, sign-extended, and not
    /// 57.
    case narrowsX87Pointers = 67
    /// An instruction that changes memory reads it first, so that its page fault is a read's: emulated CPUs, against
    /// the manuals (Intel SDM vol. 3, 5.7).
    case readsBeforeUpdates = 68
    /// FXSAVE and XSAVE write ten bytes for an x87 register and leave the six behind them as they are: emulated CPUs.
    case leavesX87Gaps = 69
    /// FXSAVE and XSAVE save the pointers of the last x87 instruction always, and not only while an exception is
    /// pending: all but AMD's.
    case alwaysSavesX87Pointers = 70
    /// DPPS and DPPD take the sums of each lane in an order of its own, so that lanes have other NaNs.
    case sumsDotProductsByLane = 71
    /// Only an x87 instruction that leaves an unmasked exception pending notes its opcode and its operand's address
    /// (Intel SDM vol. 1, 8.1.8 and 8.1.9); all note their own.
    case notesX87OperandsOfErrors = 72
    /// FXRSTOR and XRSTOR with REX.W keep all bits of the address of the x87's last operand.
    case keepsX87OperandPointers = 73
    /// PUSH of a segment register with 32 bits writes 16 of them, and leaves the upper ones in memory alone (Intel SDM
    /// vol. 2, PUSH).
    case pushesSegmentsAsWords = 74
    /// A fault in REP CMPS or REP SCAS puts back the flags of before the instruction (Intel SDM vol. 2, REP).
    case restoresStringFlags = 75
    /// An x87 store that ends in an unmasked exception, and stores nothing, does not look at its operand's address.
    case skipsStoresOfX87Errors = 76
    /// MASKMOVDQU looks at the upper half of its operand first, which a page fault's address tells.
    case checksUpperHalfFirst = 77
    /// A store of an MMX register has taken TOP back to 0 when it faults.
    case mmxStoresClearTop = 78
    /// In kernel mode ROL and ROR of a register by an immediate do as those by CL: hosts whose KVM emulates it.
    case kernelRotatesByCL = 79
    /// A repeated string instruction of 64-bit code that counts in ECX, which is 0, clears the upper half of RCX, MOVS
    /// and STOS those of the addresses that they write with.
    case repeatOfZeroClearsUpperHalves = 80
    /// MOVSXD with a 16-bit operand reads two bytes of memory (Intel SDM vol. 2, MOVSXD), and not four.
    case extendsWordsOfMOVSXD = 81

    /// Its place in a word of all of them.
    @inlinable public var bit: UInt64 { 1 << UInt64(rawValue & 63) }

    /// In words, where it is so and where it is not.
    fileprivate func text(_ holds: Bool) -> String {
      switch self {
      case .scanOfZeroClearsUpperHalf: "bitScanOfZero: upper half \(holds ? "cleared" : "kept")"
      case .faultsKeepResumeFlag: "faults: RF \(holds ? "kept" : "set")"
      case .narrowsX87Pointers: "x87Pointers: \(holds ? 48 : 57) bits"
      case .readsBeforeUpdates: "updates of memory: fault as \(holds ? "reads" : "writes")"
      case .leavesX87Gaps: "x87 registers: saved as \(holds ? 10 : 16) bytes"
      case .alwaysSavesX87Pointers: "x87Pointers: saved \(holds ? "always" : "with an exception")"
      case .sumsDotProductsByLane: "NaNs of DPPS: \(holds ? "by lane" : "one")"
      case .notesX87OperandsOfErrors: "x87Pointers: opcode and operand of \(holds ? "errors" : "all")"
      case .keepsX87OperandPointers: "x87Pointers: operand's \(holds ? "as loaded" : "canonical")"
      case .pushesSegmentsAsWords: "PUSH of a segment: \(holds ? 16 : 32) bits"
      case .restoresStringFlags: "faults of REP CMPS, SCAS: flags \(holds ? "put back" : "of the last iteration")"
      case .skipsStoresOfX87Errors: "x87 stores of errors: address \(holds ? "not " : "")looked at"
      case .checksUpperHalfFirst: "MASKMOVDQU: \(holds ? "upper" : "lower") half first"
      case .mmxStoresClearTop: "faults of MMX stores: TOP \(holds ? "cleared" : "kept")"
      case .repeatOfZeroClearsUpperHalves: "REP with ECX of 0: upper halves \(holds ? "cleared" : "kept")"
      case .extendsWordsOfMOVSXD: "MOVSXD of 16 bits: reads \(holds ? 2 : 4) bytes"
      case .kernelRotatesByCL: "rotateByImmediate: in kernel mode \(holds ? "as by CL" : "the same")"
      }
    }
  }

  /// Results that no choice tells apart: as the engine has them, or not.
  @frozen public enum Result: UInt8, Sendable, CaseIterable {
    /// RCPPS, RSQRTPS and their scalar forms.
    case approximations = 0
    /// C0, C1, C2, C3 of the x87 where they are undefined.
    case x87Conditions
    /// FSIN, FCOS, FPTAN, FPATAN, F2XM1, FYL2X, FYL2XP1 in their last bit.
    case transcendentals
  }

  private var rules: [FlagRule] = UndefinedFlags.allCases.map(\.reference)
  public var longDoubleShift = LongDoubleShift.secondTwice
  /// A bit each, by `Trait.bit`.
  public private(set) var traits: UInt64 = 0
  /// Digests of samples where they are not the reference's; 0 where they are.
  private var results = [UInt32](repeating: 0, count: Result.allCases.count)

  /// AMD family 1Ah.
  public init() {}

  public subscript(flags: UndefinedFlags) -> FlagRule {
    get { rules[Int(flags.rawValue)] }
    set { rules[Int(flags.rawValue)] = newValue }
  }

  public subscript(trait: Trait) -> Bool {
    get { traits & trait.bit != 0 }
    set { traits = newValue ? traits | trait.bit : traits & ~trait.bit }
  }

  public subscript(result: Result) -> UInt32 {
    get { results[Int(result.rawValue)] }
    set { results[Int(result.rawValue)] = newValue }
  }

  /// The fixed profile of software recordings.
  public static let reference = UndefinedProfile()
}

// Known CPUs.
extension UndefinedProfile {
  /// The profiles with names.
  public static let named: [(name: String, profile: UndefinedProfile)] = [
    ("amd-1ah", reference), ("amd-19h", amd19h), ("intel", intel), ("qemu-tcg", qemu),
  ]

  /// As seen on model 1 (Zen 3): BSF and BSR write ZF and leave the others, and linear addresses have 48 bits. Model
  /// 11h (Zen 4) was found to do as 1Ah.
  private static let amd19h: UndefinedProfile = {
    var profile = UndefinedProfile()
    profile[.bitScan] = FlagRule([:])
    profile[.bitScanOfZero] = FlagRule([:])
    profile[.narrowsX87Pointers] = true
    return profile
  }()

  /// As seen on family 6, model CFh (Emerald Rapids).
  private static let intel: UndefinedProfile = {
    var profile = UndefinedProfile()
    profile[.bitCount][.of] = .cleared
    profile[.multiply] = FlagRule([.pf: .result, .af: .cleared, .zf: .cleared, .sf: .result])
    profile[.divide] = FlagRule([:])
    profile[.shiftLeft] = FlagRule([.af: .cleared, .of: .firstPlace])
    profile[.shiftRight] = FlagRule([.af: .cleared, .of: .signChange])
    profile[.shiftArithmetic][.af] = .cleared
    profile[.doubleShift] = FlagRule([.af: .cleared, .of: .firstPlace])
    profile[.rotate] = FlagRule([.of: .firstPlace])
    profile[.rotateByImmediate] = FlagRule([.of: .kept])
    profile[.rotateThroughCarry] = FlagRule([.of: .firstPlace])
    profile[.bitFields][.pf] = .cleared
    profile[.andNot][.pf] = .cleared
    profile[.bitExtract] = FlagRule([.pf: .cleared, .af: .cleared, .sf: .cleared])
    profile[.asciiAdjust] = FlagRule([.pf: .result, .zf: .result, .sf: .cleared, .of: .cleared])
    profile[.decimalAdjust] = FlagRule([.of: .cleared])
    profile.longDoubleShift = .firstAgain
    let traits: [Trait] = [
      .alwaysSavesX87Pointers, .notesX87OperandsOfErrors, .keepsX87OperandPointers, .skipsStoresOfX87Errors,
      .sumsDotProductsByLane, .pushesSegmentsAsWords, .restoresStringFlags, .checksUpperHalfFirst, .mmxStoresClearTop,
      .repeatOfZeroClearsUpperHalves, .extendsWordsOfMOVSXD,
    ]
    for trait in traits { profile[trait] = true }
    profile[.approximations] = intelApproximations
    profile[.transcendentals] = 0xc580_ad7e
    return profile
  }()

  /// QEMU's translator, measured on version 7.2.
  private static let qemu: UndefinedProfile = {
    var profile = UndefinedProfile()
    profile[.bitScan] = FlagRule([.cf: .cleared, .pf: .source, .af: .cleared, .sf: .source, .of: .cleared])
    profile[.scanOfZeroClearsUpperHalf] = true
    profile[.bitCount] = FlagRule([.pf: .cleared, .af: .cleared, .sf: .cleared, .of: .cleared])
    // It depends on what wrote the flags before.
    profile[.bitTest][.of] = .other
    profile[.multiply] = FlagRule([.pf: .result, .af: .cleared, .zf: .result, .sf: .result])
    profile[.divide] = FlagRule([:])
    for shift in [UndefinedFlags.shiftLeft, .shiftRight, .shiftArithmetic, .doubleShift] {
      profile[shift][.af] = .cleared
    }
    profile[.doubleShift][.of] = .other
    profile[.rotateThroughCarry][.of] = .signChange
    profile[.bitFields][.pf] = .cleared
    profile[.bitExtract][.af] = .cleared
    profile.longDoubleShift = .firstAgain
    profile[.approximations] = 0x1832_d22b
    profile[.x87Conditions] = 0x0c85_0fd8
    profile[.transcendentals] = 0x52ed_8cda
    return profile
  }()

  /// `amd-1ah` and so on; what differs from the nearest named one otherwise: `amd-1ah with …`.
  public var name: String {
    if let known = Self.named.first(where: { $0.profile == self }) { return known.name }
    let differences = Self.named.map { (name: $0.name, items: items(unlike: $0.profile)) }
    let nearest = differences.min { $0.items.count < $1.items.count }!
    return "\(nearest.name) with \(nearest.items.joined(separator: "; "))"
  }

  /// What is not as in another profile, in words.
  public func items(unlike base: UndefinedProfile) -> [String] {
    var items: [String] = []
    for flags in UndefinedFlags.allCases where self[flags] != base[flags] {
      let rule = self[flags]
      let parts = flags.flags.filter { rule[$0] != base[flags][$0] }.map { "\($0) \(rule[$0])" }
      items.append("\(flags): \(parts.joined(separator: ", "))")
    }
    if longDoubleShift != base.longDoubleShift { items.append("longDoubleShift: \(longDoubleShift)") }
    for trait in Trait.allCases where self[trait] != base[trait] { items.append(trait.text(self[trait])) }
    for result in Result.allCases where self[result] != base[result] {
      items.append("\(result): " + (self[result] == 0 ? "reference" : "digest \(hex(UInt64(self[result])))"))
    }
    return items
  }

  /// What RCPPS and RSQRTPS of Intel's CPUs yield in the probe's samples.
  public static let intelApproximations: UInt32 = 0x07b8_228e

  /// The software engine has these results, too.
  public func isImitated(_ result: Result) -> Bool {
    self[result] == 0 || result == .approximations && self[result] == Self.intelApproximations
  }

  /// What no engine imitates: the software engine does as the reference there.
  public var inimitable: [String] {
    var items: [String] = []
    for flags in UndefinedFlags.allCases {
      let rule = self[flags]
      let others = flags.flags.filter { rule[$0] == .other || flags == .logic && rule[$0] != flags.reference[$0] }
      if !others.isEmpty { items.append("\(flags.instructions) (\(others.map { "\($0)" }.joined(separator: ", ")))") }
    }
    if longDoubleShift == .other { items.append("SHLD or SHRD of 16 bits by more than 16") }
    return items + Result.allCases.filter { !isImitated($0) }.map(\.instructions)
  }
}

// The form in a trace: pairs of a number and a word, only where it is not the reference.
extension UndefinedProfile {
  /// Numbers of what is not a rule of flags.
  private enum Number {
    static let longDoubleShift: UInt8 = 64
    static let firstResult: UInt8 = 128
  }

  public var encoded: [(number: UInt8, word: UInt32)] {
    var pairs: [(number: UInt8, word: UInt32)] = []
    for flags in UndefinedFlags.allCases where self[flags] != flags.reference {
      pairs.append((flags.rawValue, self[flags].word))
    }
    if longDoubleShift != .secondTwice { pairs.append((Number.longDoubleShift, UInt32(longDoubleShift.rawValue))) }
    for trait in Trait.allCases where self[trait] { pairs.append((trait.rawValue, 1)) }
    for result in Result.allCases where self[result] != 0 {
      pairs.append((Number.firstResult + result.rawValue, self[result]))
    }
    return pairs
  }

  /// Takes in one pair; false when it means nothing here.
  public mutating func decode(number: UInt8, word: UInt32) -> Bool {
    if let flags = UndefinedFlags(rawValue: number) {
      var rule = FlagRule([:])
      for flag in flags.flags { rule[flag] = FlagRule(word: word)[flag] }
      self[flags] = rule
      return rule.word == word
    }
    if let trait = Trait(rawValue: number) {
      self[trait] = word == 1
      return word <= 1
    }
    switch number {
    case Number.longDoubleShift:
      guard let choice = LongDoubleShift(rawValue: UInt8(truncatingIfNeeded: word)), word < 256 else { return false }
      longDoubleShift = choice
    default:
      guard let result = Result(rawValue: number &- Number.firstResult) else { return false }
      self[result] = word
    }
    return true
  }
}
