/// What an instruction does with the status flags, as far as leaving out their computation goes.
struct FlagEffect {
  /// Writes flags that a form without flags may leave out.
  var writes = false
  /// Overwrites all six.
  var kills = false
  var reads = false
  /// May fault or leave the block, so that the flags before it are seen.
  var leaves = false

  /// - Parameter keepsShifted: the profile of the undefined has shifts keep a flag.
  init(_ op: OperationPointer, keepsShifted: Bool) {
    leaves = op.isMemory
    switch op.handler {
    case .aluRMReg, .aluRegRM, .aluRMImm:
      writes = true
      kills = true
      reads = op.kind == ALU.adc || op.kind == ALU.sbb
    case .testRMReg, .testRMImm:
      writes = true
      kills = true
    case .unaryRM:
      writes = op.kind != Unary.not
      kills = op.kind == Unary.neg
      // INC and DEC keep CF.
      reads = op.kind == Unary.inc || op.kind == Unary.dec
    case .shiftRMImm:
      let counts = op.immediate & (op.size == 8 ? 63 : 31) != 0
      writes = op.kind >= 4 && counts
      kills = writes && !keepsShifted
      reads = !kills
    case .movRMReg, .movRegRM, .movRMImm, .movzx, .movsx, .bswap, .movbeLoad, .movbeStore, .convertA, .convertD, .nop:
      break
    case .lea: leaves = false
    case .xchgRMReg, .rorx, .sarx, .shlx, .shrx, .mulx, .pdep, .pext: break
    case .jcc, .setcc, .cmov, .imulRegRM, .imulRegRMImm: reads = true
    case .cmpBranch64, .cmpBranch32, .cmpImmBranch64, .cmpImmBranch32, .cmpImmBranch8, .testBranch64, .testBranch32,
      .testBranch8, .testImmBranch64, .testImmBranch32, .testImmBranch8:
      kills = true
    default:
      reads = true
      leaves = true
    }
  }
}
