/// How a status flag comes out that the manuals leave undefined.
@frozen public enum FlagChoice: UInt8, Sendable, CaseIterable {
  /// As it was before.
  case kept = 0
  case cleared
  case set
  /// As the result has it: SF its sign, ZF whether it is zero, PF the parity of its low byte.
  case result
  /// As the source operand has it, likewise; OF its sign.
  case source
  /// OF as for a shift or rotation by one place: whether that changed the sign.
  case onePlace
  /// OF: whether source and result differ in their signs.
  case signChange
  /// None of these: nothing imitates it.
  case other
  /// OF of a shift or rotation as the first of its places alone leaves it; as it was where RCL and RCR go round as a
  /// whole.
  case firstPlace
  /// As the one addition or subtraction of all that AAA, AAS, DAA and DAS adjust leaves it.
  case adjustment
}

/// A status flag by its place in a rule.
@frozen public enum StatusFlag: Int, Sendable, CaseIterable {
  case cf, pf, af, zf, sf, of

  /// Its bit in RFLAGS.
  @inlinable public var mask: UInt64 {
    switch self {
    case .cf: 1 << 0
    case .pf: 1 << 2
    case .af: 1 << 4
    case .zf: 1 << 6
    case .sf: 1 << 7
    case .of: 1 << 11
    }
  }
}

/// What an instruction does with its undefined flags: a choice for each, its lower three bits in the order of
/// `StatusFlag`, and behind all of them the fourth ones; the defined ones 0.
@frozen public struct FlagRule: Equatable, Hashable, Sendable {
  public var word: UInt32

  @inlinable public init(word: UInt32) { self.word = word }

  /// `.kept` where nothing is named.
  public init(_ choices: [StatusFlag: FlagChoice]) {
    word = 0
    for (flag, choice) in choices { self[flag] = choice }
  }

  @inlinable public subscript(flag: StatusFlag) -> FlagChoice {
    get {
      let low = UInt8(word >> UInt32(3 * flag.rawValue) & 7)
      return FlagChoice(rawValue: low | UInt8(word >> UInt32(18 + flag.rawValue) & 1) << 3) ?? .other
    }
    set {
      let (low, high) = (UInt32(3 * flag.rawValue), UInt32(18 + flag.rawValue))
      word = word & ~(7 << low | 1 << high)
      word |= UInt32(newValue.rawValue & 7) << low | UInt32(newValue.rawValue >> 3) << high
    }
  }
}

/// Instructions that leave the same flags undefined, and of which a CPU treats all alike.
@frozen public enum UndefinedFlags: UInt8, Sendable, CaseIterable {
  /// BSF and BSR, with a source that is zero apart.
  case bitScan = 0
  case bitScanOfZero
  /// TZCNT and LZCNT.
  case bitCount
  /// BT, BTS, BTR, BTC.
  case bitTest
  /// MUL and IMUL.
  case multiply
  /// DIV and IDIV.
  case divide
  /// OF is undefined by more than one place here and below.
  case shiftLeft
  case shiftRight
  case shiftArithmetic
  /// ROL and ROR by CL, and of memory; RCL and RCR.
  case rotate
  case rotateThroughCarry
  /// SHLD and SHRD, by no more places than the operand has.
  case doubleShift
  /// BLSI, BLSMSK, BLSR, BZHI; ANDN; BEXTR.
  case bitFields
  case andNot
  case bitExtract
  /// AND, OR, XOR and TEST: AF.
  case logic
  /// AAA and AAS, and DAA and DAS: in 16- and 32-bit code.
  case asciiAdjust
  case decimalAdjust
  /// ROL and ROR of a register by an immediate.
  case rotateByImmediate

  /// The flags that they leave undefined.
  public var flags: [StatusFlag] {
    switch self {
    case .bitScan, .bitScanOfZero: [.cf, .pf, .af, .sf, .of]
    case .bitCount, .bitTest: [.pf, .af, .sf, .of]
    case .multiply: [.pf, .af, .zf, .sf]
    case .divide: [.cf, .pf, .af, .zf, .sf, .of]
    case .shiftLeft, .shiftRight, .shiftArithmetic, .doubleShift: [.af, .of]
    case .rotate, .rotateByImmediate, .rotateThroughCarry: [.of]
    case .bitFields, .andNot: [.pf, .af]
    case .bitExtract: [.pf, .af, .sf]
    case .logic: [.af]
    case .asciiAdjust: [.pf, .zf, .sf, .of]
    case .decimalAdjust: [.of]
    }
  }

  /// They exist in 16- and 32-bit code only.
  public var isLegacy: Bool { self == .asciiAdjust || self == .decimalAdjust }

  /// As AMD's family 1Ah does: measured there, by every form of the fuzzer.
  public var reference: FlagRule {
    switch self {
    case .bitScan, .bitScanOfZero:
      FlagRule([.cf: .cleared, .pf: .result, .af: .cleared, .sf: .cleared, .of: .cleared])
    case .bitCount: FlagRule([.pf: .cleared, .af: .cleared, .sf: .cleared, .of: .kept])
    case .bitTest, .multiply: FlagRule([:])
    case .divide: FlagRule([.pf: .cleared, .af: .set, .zf: .cleared, .sf: .cleared])
    case .shiftLeft, .doubleShift: FlagRule([.af: .set, .of: .onePlace])
    case .shiftRight, .shiftArithmetic: FlagRule([.af: .set, .of: .cleared])
    case .rotate, .rotateByImmediate, .rotateThroughCarry: FlagRule([.of: .onePlace])
    case .bitFields, .andNot: FlagRule([.pf: .result, .af: .cleared])
    case .bitExtract: FlagRule([.pf: .result, .af: .set, .sf: .cleared])
    case .logic: FlagRule([.af: .cleared])
    case .asciiAdjust: FlagRule([.pf: .adjustment, .zf: .adjustment, .sf: .adjustment, .of: .adjustment])
    case .decimalAdjust: FlagRule([.of: .adjustment])
    }
  }

  /// The choices that are tried for a flag, in this order; `.other` when none fits.
  public func choices(for flag: StatusFlag) -> [FlagChoice] {
    var tried: [FlagChoice] = [reference[flag], .kept, .cleared, .set]
    if flag == .sf || flag == .zf || flag == .pf { tried += [.result, .source] }
    if flag == .of { tried += [.signChange] }
    switch self {
    case .shiftLeft, .doubleShift, .rotate, .rotateByImmediate, .rotateThroughCarry:
      return flag == .of ? tried + [.firstPlace] : tried
    default: return tried
    }
  }
}
