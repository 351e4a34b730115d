// FSIN, FCOS, FSINCOS, FPTAN on the stack.
extension X87Unit {
  /// FSIN and FCOS: C2 tells that the operand is out of range.
  func trigonometric(_ operation: (Extended, inout FloatingPointContext) -> Extended) -> Bool {
    if !isEmpty(0) && isOutOfRange() { return true }
    let done = unary(operation)
    cpu.s[Slot.fsw] &= ~UInt64(X87Status.c2)
    return done
  }

  private func isOutOfRange() -> Bool {
    guard FloatingPointContext.isOutOfRange(st(0).unpacked) else { return false }
    cpu.s[Slot.fsw] = cpu.s[Slot.fsw] & ~UInt64(X87Status.c1) | UInt64(X87Status.c2)
    return true
  }

  /// FSINCOS: the sine takes ST0's place, the cosine is pushed.
  func sineAndCosine() -> Bool {
    replaceAndPush { ($1.sine($0), $1.cosine($0)) }
  }

  /// FPTAN: the tangent takes ST0's place, 1 is pushed.
  func partialTangent() -> Bool {
    replaceAndPush {
      let tangent = $1.tangent($0)
      let x = $0.unpacked
      return (tangent, x.kind == .finite || x.isZero ? .one : tangent)
    }
  }

  private func replaceAndPush(
    _ operation: (Extended, inout FloatingPointContext) -> (Extended, Extended)
  ) -> Bool {
    if isEmpty(0) || !isEmpty(-1) {
      let isOverflow = !isEmpty(0)
      cpu.s[Slot.fsw] &= ~UInt64(X87Status.c2)
      guard stackFault(overflow: isOverflow) else { return true }
      setST(0, .indefinite)
      pushUnchecked(.indefinite)
      return true
    }
    if isOutOfRange() { return true }
    var context = self.context
    let result = operation(st(0), &context)
    cpu.s[Slot.fsw] &= ~UInt64(X87Status.c2)
    report(context)
    if context.isStopped { return true }
    setST(0, result.0)
    pushUnchecked(result.1)
    return true
  }
}
