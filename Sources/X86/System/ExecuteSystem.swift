extension CPU {
  /// The instructions of `SystemOperation`.
  @inline(never)
  func executeSystem(_ op: Op) -> Bool { raiseUndefined() }
}
