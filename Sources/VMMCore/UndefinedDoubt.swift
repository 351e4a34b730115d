/// An instruction that was executed with a result that CPUs have otherwise, and that is not imitated.
public struct UndefinedDoubt: Equatable, Sendable {
  public enum About: Equatable, Sendable {
    case flags(UndefinedFlags)
    case result(UndefinedProfile.Result)

    public static let all: [About] =
      UndefinedFlags.allCases.map { .flags($0) } + UndefinedProfile.Result.allCases.map { .result($0) }

    /// A number of its own for each, below 32.
    @inlinable public var index: Int {
      switch self {
      case .flags(let flags): Int(flags.rawValue)
      case .result(let result): 24 + Int(result.rawValue)
      }
    }
  }

  public var about: About
  /// RIP behind the last such instruction.
  public var behind: UInt64

  public init(about: About, behind: UInt64) {
    self.about = about
    self.behind = behind
  }

  /// The CPU of this profile may have another result than the software engine.
  public func isDoubtful(under profile: UndefinedProfile) -> Bool {
    switch about {
    case .flags(let flags): flags.flags.contains { profile[flags][$0] == .other }
    // Their last bit is not that of any CPU everywhere.
    case .result(.transcendentals): true
    case .result(let result): !profile.isImitated(result)
    }
  }
}

extension UndefinedDoubt: CustomStringConvertible {
  public var description: String {
    let what =
      switch about {
      case .flags(let flags): "undefined flags of \(flags.instructions)"
      case .result(let result): "the result of \(result.instructions)"
      }
    return "\(what), last executed before rip \(hex(behind))"
  }
}

extension UndefinedFlags {
  /// The instructions' names.
  public var instructions: String {
    switch self {
    case .bitScan: "BSF or BSR"
    case .bitScanOfZero: "BSF or BSR of zero"
    case .bitCount: "TZCNT or LZCNT"
    case .bitTest: "BT, BTS, BTR or BTC"
    case .multiply: "MUL or IMUL"
    case .divide: "DIV or IDIV"
    case .shiftLeft: "SHL"
    case .shiftRight: "SHR"
    case .shiftArithmetic: "SAR"
    case .rotate: "ROL or ROR by CL or of memory"
    case .rotateByImmediate: "ROL or ROR of a register by an immediate"
    case .rotateThroughCarry: "RCL or RCR"
    case .doubleShift: "SHLD or SHRD"
    case .bitFields: "BLSI, BLSMSK, BLSR or BZHI"
    case .andNot: "ANDN"
    case .bitExtract: "BEXTR"
    case .logic: "AND, OR, XOR or TEST"
    case .asciiAdjust: "AAA or AAS"
    case .decimalAdjust: "DAA or DAS"
    }
  }
}

extension UndefinedProfile.Result {
  public var instructions: String {
    switch self {
    case .approximations: "RCPPS, RCPSS, RSQRTPS or RSQRTSS"
    case .x87Conditions: "x87 instructions (condition codes)"
    case .transcendentals: "a transcendental x87 function (its last bit)"
    }
  }
}
