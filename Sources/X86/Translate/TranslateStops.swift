// An address to stop at.
extension BlockTranslator {
  /// Goes by when the stop is for other registers than these (`CPU.isFilteredOut`): looking for a state costs a
  /// nanosecond each time that its place is come to. Conditions are asked. All else is the interpreter's.
  mutating func passStop(_ op: OperationPointer) -> Outcome {
    guard cpu.is64Bit else { return .none }
    code.move(.rax, immediate: op.rip)
    code.alu(ALU.cmp, .rax, slot(SystemSlot.plainFilterAddress), size: 8)
    let isOther = code.branch(.notEqual)
    var passes: [Assembler.Branch] = []
    for number in registersByChange(behind: op) {
      let register = value(UInt8(8 * number), orLoadedInto: .rax)
      code.alu(ALU.cmp, register, slot(SystemSlot.filterRegisters + number), size: 8)
      passes.append(code.branch(.notEqual))
    }
    leave(at: op)
    code.place(isOther)
    code.alu(ALU.cmp, slot(SystemSlot.hasStopConditions), immediate: 0, size: 8)
    leave(at: op, when: .equal)
    code.move(.rax, immediate: UInt64(UInt(bitPattern: op)))
    code.call(shared.callFamily)
    for pass in passes { code.place(pass) }
    return .next
  }

  /// The general registers, first those that the block changes, which are most likely to differ from time to time.
  private func registersByChange(behind stop: OperationPointer) -> [Int] {
    var first: [Int] = []
    var op = stop + 1
    while op.handler != .blockEnd && op.handler != .dispatch && first.count < 4 {
      for offset in op.isMemory ? [op.reg] : [op.reg, op.rm] {
        guard let number = BlockTranslator.number(offset), !first.contains(number) else { continue }
        first.append(number)
      }
      op += 1
    }
    return first + (0..<16).filter { !first.contains($0) }
  }
}
