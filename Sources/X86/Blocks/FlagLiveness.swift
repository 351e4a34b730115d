internal import VMMCore

/// Some of the six status flags.
struct FlagSet: OptionSet {
  var rawValue: UInt8

  static var carry: FlagSet { FlagSet(.cf) }
  static var zero: FlagSet { FlagSet(.zf) }
  static var sign: FlagSet { FlagSet(.sf) }
  static var parity: FlagSet { FlagSet(.pf) }
  static var overflow: FlagSet { FlagSet(.of) }
  static var all: FlagSet { FlagSet(rawValue: 0x3f) }

  init(rawValue: UInt8) { self.rawValue = rawValue }
  init(_ flag: StatusFlag) { rawValue = 1 << UInt8(flag.rawValue) }

  /// What a condition looks at, as the opcodes number it (Intel SDM vol. 2, B.1.4.7).
  init(condition: UInt8) {
    switch condition >> 1 {
    case 0: self = .overflow
    case 1: self = .carry
    case 2: self = .zero
    case 3: self = [.carry, .zero]
    case 4: self = .sign
    case 5: self = .parity
    case 6: self = [.sign, .overflow]
    default: self = [.zero, .sign, .overflow]
    }
  }

}

/// The undefined flags that instructions leave as they were on the CPU of a profile.
struct KeptFlags {
  let multiply, bitTest, shiftLeft, shiftRight, shiftArithmetic: FlagSet

  init(_ profile: UndefinedProfile) {
    func kept(_ flags: UndefinedFlags) -> FlagSet {
      FlagSet(flags.flags.filter { profile[flags][$0] == .kept }.map { FlagSet($0) })
    }
    (multiply, bitTest) = (kept(.multiply), kept(.bitTest))
    (shiftLeft, shiftRight, shiftArithmetic) = (kept(.shiftLeft), kept(.shiftRight), kept(.shiftArithmetic))
  }

  fileprivate func of(_ kind: ShiftKind) -> FlagSet {
    switch kind {
    case .left: shiftLeft
    case .right: shiftRight
    case .arithmetic: shiftArithmetic
    }
  }
}

/// What an instruction does with the status flags, as far as leaving out their computation goes.
struct FlagEffect {
  /// Nothing but flags is lost if these are not computed where nobody sees them.
  var writes: FlagSet = []
  /// Overwrites them, whatever they were.
  var kills: FlagSet = []
  var reads: FlagSet = []
  /// May fault or leave the block, so that the flags before it are seen.
  var leaves = false

  init(_ op: OperationPointer, _ kept: KeptFlags) {
    leaves = op.isMemory
    switch op.handler {
    case .aluRMReg, .aluRegRM, .aluRMImm:
      (writes, kills) = (.all, .all)
      if op.kind == ALU.adc || op.kind == ALU.sbb { reads = .carry }
    case .testRMReg, .testRMImm: (writes, kills) = (.all, .all)
    case .unaryRM:
      guard op.kind != Unary.not else { return }
      writes = op.kind == Unary.neg ? .all : FlagSet.all.subtracting(.carry)
      kills = writes
    case .shiftRMImm, .shiftRMCL: shift(op, kept)
    case .imulRegRM, .imulRegRMImm, .mulRM, .imulRM:
      writes = .all
      kills = FlagSet.all.subtracting(kept.multiply)
    case .bitImm, .bitReg:
      writes = .all
      kills = FlagSet.all.subtracting([kept.bitTest, .zero])
    case .movRMReg, .movRegRM, .movRMImm, .movzx, .movsx, .bswap, .movbeLoad, .movbeStore, .convertA, .convertD, .nop:
      break
    case .lea: leaves = false
    case .xchgRMReg, .rorx, .sarx, .shlx, .shrx, .mulx, .pdep, .pext: break
    case .jcc, .setcc, .cmov: reads = FlagSet(condition: op.kind)
    case .cmpBranch64, .cmpBranch32, .cmpImmBranch64, .cmpImmBranch32, .cmpImmBranch8, .testBranch64, .testBranch32,
      .testBranch8, .testImmBranch64, .testImmBranch32, .testImmBranch8:
      kills = .all
    default:
      reads = .all
      leaves = true
    }
  }

  /// Shifts and rotations, but for those through CF.
  private mutating func shift(_ op: OperationPointer, _ kept: KeptFlags) {
    guard op.kind < 2 || op.kind > 3 else {
      (reads, leaves) = (.all, true)
      return
    }
    writes = op.kind < 2 ? [.carry, .overflow] : .all
    let count = op.immediate & (op.size == 8 ? 63 : 31)
    // By nothing nothing changes, and CL may be that.
    guard op.handler == .shiftRMImm && count != 0 else { return }
    kills = writes
    guard let kind = ShiftKind(op.kind) else {
      kills.remove(.overflow)
      return
    }
    kills.subtract(kept.of(kind))
  }
}
