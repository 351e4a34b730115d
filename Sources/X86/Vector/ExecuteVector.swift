extension CPU {
  /// MMX, SSE, FXSAVE and XSAVE instructions: `op.map`, `op.opcode` and `op.mandatoryPrefix` say which.
  @inline(never)
  func executeVector(_ op: Op) -> Bool { raiseUndefined() }
}
