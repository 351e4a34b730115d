extension CPU {
  /// Executes one instruction of any family. RIP points behind it.
  func execute(_ op: Op) -> Bool {
    switch op.handler {
    case .aluRMReg, .aluRegRM, .aluRMImm: return executeALU(op)
    case .testRMReg, .testRMImm: return executeTest(op)
    case .unaryRM: return executeUnary(op)
    case .movRMReg, .movRegRM, .movRMImm: return executeMove(op)
    case .jmp: return jump(op.immediate)
    case .jcc: return executeJcc(op)
    case .call: return executeCall(op, op.immediate)
    case .jmpRM, .callRM: return executeIndirect(op)
    case .ret: return executeReturn(op)
    case .loop: return executeLoop(op)
    case .jcxz: return executeJcxz(op)
    case .nop: return true
    case .system: return executeSystem(op)
    case .x87: return executeX87(op)
    case .vector: return executeVector(op)
    default: return raiseUndefined()
    }
  }
}
