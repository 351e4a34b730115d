extension CPU {
  /// Called before each instruction while debug registers are armed or TF is set; false when it raised #DB.
  func beforeInstruction() -> Bool { true }

  /// Called after each instruction that was stepped; `trap` is TF as it was before the instruction.
  func afterInstruction(trap: Bool) {}

  /// Data breakpoints are armed (`Slot.dataBreakpoints`) and an access of the current instruction touches these bytes.
  func noteDataAccess(_ linear: UInt64, _ count: Int, write: Bool) {}
}
