extension CPU {
  /// Executes one instruction of any family. RIP points behind it.
  func execute(_ op: Op) -> Bool {
    switch op.handler {
    case .undefined: return raiseUndefined()
    case .aluRMReg, .aluRegRM, .aluRMImm: return executeALU(op)
    case .testRMReg, .testRMImm: return executeTest(op)
    case .unaryRM: return executeUnary(op)
    case .shiftRMImm, .shiftRMCL: return executeShift(op)
    case .doubleShiftImm, .doubleShiftCL: return executeDoubleShift(op)
    case .mulRM, .imulRM: return executeMultiply(op)
    case .divRM, .idivRM: return executeDivide(op)
    case .imulRegRM, .imulRegRMImm: return executeMultiplyRegister(op)
    case .movRMReg, .movRegRM, .movRMImm: return executeMove(op)
    case .movzx, .movsx: return executeExtend(op)
    case .lea: return executeLea(op)
    case .xchgRMReg: return executeExchange(op)
    case .cmov: return executeConditionalMove(op)
    case .setcc: return executeSet(op)
    case .bswap: return executeByteSwap(op)
    case .movbeLoad, .movbeStore: return executeMoveSwapped(op)
    case .convertA, .convertD: return executeConvert(op)
    case .xlat: return executeTranslate(op)
    case .pushRM, .pushImm: return executePush(op)
    case .popRM: return executePop(op)
    case .pushAll: return executePushAll(op)
    case .popAll: return executePopAll(op)
    case .enter: return executeEnter(op)
    case .leave: return executeLeave(op)
    case .jmp: return jump(op.immediate)
    case .jcc: return executeJcc(op)
    case .call: return executeCall(op, op.immediate)
    case .jmpRM, .callRM: return executeIndirect(op)
    case .ret: return executeReturn(op)
    case .loop: return executeLoop(op)
    case .jcxz: return executeJcxz(op)
    default: return executeMore(op)
    }
  }

  private func executeMore(_ op: Op) -> Bool {
    switch op.handler {
    case .bitReg: return executeBitRegister(op)
    case .bitImm: return executeBitImmediate(op)
    case .bsf, .bsr: return executeBitScan(op)
    case .tzcnt, .lzcnt: return executeBitCount(op)
    case .popcnt: return executePopulationCount(op)
    case .crc32: return executeCRC32(op)
    case .adcx, .adox: return executeCarryAdd(op)
    case .andn, .bextr, .blsr, .blsmsk, .blsi, .bzhi, .pdep, .pext, .rorx, .sarx, .shlx, .shrx, .mulx:
      return executeBMI(op)
    case .xadd: return executeExchangeAdd(op)
    case .cmpxchg: return executeCompareExchange(op)
    case .cmpxchg8b: return executeCompareExchangePair(op)
    case .movs, .cmps, .stos, .lods, .scas, .ins, .outs: return executeString(op)
    case .inImm, .inDX, .outImm, .outDX: return executePort(op)
    case .flagOperation: return executeFlagOperation(op)
    case .lahf, .sahf: return executeLoadFlags(op)
    case .daa, .das, .aaa, .aas, .aam, .aad, .salc: return executeDecimal(op)
    case .bound: return executeBound(op)
    case .nop: return true
    case .touch: return executeTouch(op)
    case .system: return executeSystem(op)
    case .x87: return executeX87(op)
    case .vector: return executeVector(op)
    default: return raiseUndefined()
    }
  }
}
