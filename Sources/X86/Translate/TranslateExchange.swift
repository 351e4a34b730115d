// XCHG, XADD, CMPXCHG. There is no other vCPU, so LOCK asks for nothing.
extension BlockTranslator {
  mutating func exchange(_ op: OperationPointer) -> Outcome {
    guard BlockTranslator.number(op.reg) != nil, let place = rm(op, isStore: true) else { return .none }
    let size = op.size
    if !op.isMemory { hostHasFlags = hostHadFlags }
    code.load(.rax, place, size: size)
    code.load(.rdx, guest(op.reg), size: size)
    // A 32-bit register is written whole.
    code.store(.rdx, place, size: size == 4 && !op.isMemory ? 8 : size)
    code.store(.rax, guest(op.reg), size: size == 4 ? 8 : size)
    return .next
  }

  /// The register gets what the memory held.
  mutating func exchangeAdd(_ op: OperationPointer) -> Outcome {
    guard op.isMemory, op.size >= 4, BlockTranslator.number(op.reg) != nil else { return .none }
    let place = operand(op, size: op.size, isStore: true)
    update(op.reg) { $0.code.instruction(0x1c1, $1, place, size: op.size) }
    keepFlags()
    return .next
  }

  /// The memory is written whether or not the comparison succeeds, as by the host's own. Between registers it is the
  /// family's.
  mutating func compareExchange(_ op: OperationPointer) -> Outcome {
    guard op.isMemory, op.size >= 4, BlockTranslator.number(op.reg) != nil else { return .none }
    let place = operand(op, size: op.size, isStore: true)
    let new = value(op.reg, orLoadedInto: .rdx)
    code.load(.rax, RegisterMap.operand(GPR.rax))
    code.instruction(0x1b1, new, place, size: op.size)
    code.store(.rax, RegisterMap.operand(GPR.rax))
    keepFlags()
    return .next
  }
}
