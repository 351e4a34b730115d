extension CPU {
  /// The escapes D8 … DF, and FWAIT (9B): `op.opcode` and `op.modRM` say which.
  @inline(never)
  func executeX87(_ op: Op) -> Bool { raiseUndefined() }
}
