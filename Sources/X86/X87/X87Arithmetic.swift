// FADD … FDIVR, comparisons, and the functions of one register.
extension X87Unit {
  /// What a memory operand is before the arithmetic: its value, and what loading it raised.
  struct Operand {
    var value: Extended
    var context: FloatingPointContext
  }

  /// Row 0 … 7 of the escapes: ADD, MUL, COM, COMP, SUB, SUBR, DIV, DIVR.
  private func compute(_ row: UInt8, _ a: Extended, _ b: Extended, _ context: inout FloatingPointContext) -> Extended {
    switch row {
    case 0: context.add(a, b)
    case 1: context.multiply(a, b)
    case 4: context.subtract(a, b)
    case 5: context.subtract(b, a)
    case 6: context.divide(a, by: b)
    default: context.divide(b, by: a)
    }
  }

  /// ST0 with a memory operand (`nil`: it could not be loaded). The operand's own conversion raises what arithmetic
  /// on it would: it is given as it is.
  func arithmetic(_ row: UInt8, _ operand: Operand?) -> Bool {
    guard let operand else { return false }
    if row & 6 == 2 { return compare(with: operand, pops: row == 3) }
    if isEmpty(0) {
      if stackFault(overflow: false) { setST(0, .indefinite) }
      return true
    }
    var context = self.context
    let result = compute(row, st(0), operand.value, &context)
    noteSource(operand, &context)
    report(context)
    if !context.isStopped { setST(0, result) }
    return true
  }

  /// A denormal in memory is none once it is in extended format, but counts as one unless a NaN or a division by zero
  /// comes first.
  private func noteSource(_ operand: Operand, _ context: inout FloatingPointContext) {
    guard operand.context.raised.contains(.denormal), !st(0).unpacked.isNaN,
      context.raised.isDisjoint(with: [.invalid, .zeroDivide])
    else { return }
    context.raise(.denormal)
    if context.isStopped {
      context.raised = .denormal
      context.roundedUp = false
    }
  }

  /// ST0 and ST(i), the result in one of them.
  func binary(_ row: UInt8, _ position: Int, toTop: Bool, pops: Bool = false) -> Bool {
    let target = toTop ? 0 : position
    if isEmpty(0) || isEmpty(position) {
      guard stackFault(overflow: false) else { return true }
      setST(target, .indefinite)
    } else {
      var context = self.context
      let result = compute(row, st(0), st(position), &context)
      report(context)
      if context.isStopped { return true }
      setST(target, result)
    }
    if pops { pop() }
    return true
  }

  // MARK: Comparisons

  private func codes(_ order: FloatingPointOrder) -> UInt16 {
    switch order {
    case .less: X87Status.c0
    case .equal: X87Status.c3
    case .greater: 0
    case .unordered: X87Status.c0 | X87Status.c2 | X87Status.c3
    }
  }

  private func finishComparison(_ order: FloatingPointOrder, _ context: FloatingPointContext, pops: Int) -> Bool {
    report(context)
    setConditions(codes(order))
    if context.isStopped { return true }
    for _ in 0..<pops { pop() }
    return true
  }

  private func comparisonFault(pops: Int) -> Bool {
    let isMasked = stackFault(overflow: false)
    setConditions(codes(.unordered))
    guard isMasked else { return true }
    for _ in 0..<pops { pop() }
    return true
  }

  private func compare(with operand: Operand, pops: Bool) -> Bool {
    if isEmpty(0) { return comparisonFault(pops: pops ? 1 : 0) }
    var context = self.context
    let order = context.compare(st(0), operand.value, quiet: false)
    noteSource(operand, &context)
    return finishComparison(order, context, pops: pops ? 1 : 0)
  }

  /// FCOM, FUCOM with ST(i).
  func compareStack(_ position: Int, quiet: Bool = false, pops: Int) -> Bool {
    if isEmpty(0) || isEmpty(position) { return comparisonFault(pops: pops) }
    var context = self.context
    let order = context.compare(st(0), st(position), quiet: quiet)
    return finishComparison(order, context, pops: pops)
  }

  /// FTST.
  func test() -> Bool {
    if isEmpty(0) { return comparisonFault(pops: 0) }
    var context = self.context
    let order = context.compare(st(0), .zero(sign: false), quiet: false)
    return finishComparison(order, context, pops: 0)
  }

  /// FCOMI, FUCOMI.
  func compareToFlags(_ position: Int, quiet: Bool, pops: Bool) -> Bool {
    var order = FloatingPointOrder.unordered
    var completes = true
    if isEmpty(0) || isEmpty(position) {
      completes = stackFault(overflow: false)
    } else {
      var context = self.context
      order = context.compare(st(0), st(position), quiet: quiet)
      // C1 stays as it was.
      context.roundedUp = cpu.s[Slot.fsw] & UInt64(X87Status.c1) != 0
      report(context)
      completes = !context.isStopped
    }
    cpu.setOrderFlags(order)
    if pops && completes { pop() }
    return true
  }

  /// FXAM.
  func examine() {
    let value = st(0)
    var codes: UInt16 = value.sign ? X87Status.c1 : 0
    if isEmpty(0) {
      codes |= X87Status.c0 | X87Status.c3
    } else {
      let x = value.unpacked
      switch x.kind {
      case .unsupported: break
      case .quietNaN, .signalingNaN: codes |= X87Status.c0
      case .finite: codes |= X87Status.c2 | (x.isDenormal ? X87Status.c3 : 0)
      case .infinity: codes |= X87Status.c0 | X87Status.c2
      case .zero: codes |= X87Status.c3
      }
    }
    setConditions(codes)
  }

  // MARK: Functions of registers

  func changeSign(_ change: (Extended) -> Extended) -> Bool {
    if isEmpty(0) {
      if stackFault(overflow: false) { setST(0, .indefinite) }
      return true
    }
    cpu.s[Slot.fsw] &= ~UInt64(X87Status.c1)
    setST(0, change(st(0)))
    return true
  }

  func unary(_ operation: (Extended, inout FloatingPointContext) -> Extended) -> Bool {
    if isEmpty(0) {
      if stackFault(overflow: false) { setST(0, .indefinite) }
      return true
    }
    var context = self.context
    let result = operation(st(0), &context)
    report(context)
    if !context.isStopped { setST(0, result) }
    return true
  }

  /// A function of ST0 and ST1 whose result replaces both: FYL2X, FPATAN.
  func binaryPopping(_ operation: (Extended, Extended, inout FloatingPointContext) -> Extended) -> Bool {
    if isEmpty(0) || isEmpty(1) {
      guard stackFault(overflow: false) else { return true }
      setST(1, .indefinite)
    } else {
      var context = self.context
      let result = operation(st(0), st(1), &context)
      report(context)
      if context.isStopped { return true }
      setST(1, result)
    }
    pop()
    return true
  }

  /// FSCALE: its operands stay on the stack.
  func scale() -> Bool {
    if isEmpty(0) || isEmpty(1) {
      if stackFault(overflow: false) { setST(0, .indefinite) }
      return true
    }
    let amount = st(1)
    return unary { $1.scale($0, by: amount) }
  }

  func remainder(ieee: Bool) -> Bool {
    cpu.s[Slot.fsw] &= ~UInt64(X87Status.c2)
    if isEmpty(0) || isEmpty(1) {
      if stackFault(overflow: false) { setST(0, .indefinite) }
      return true
    }
    var context = self.context
    let result = context.remainder(st(0), st(1), ieee: ieee)
    context.roundedUp = false
    report(context)
    if context.isStopped { return true }
    setST(0, result.value)
    guard let quotient = result.quotient else { return true }
    var codes: UInt16 = result.isComplete ? 0 : X87Status.c2
    if quotient & 4 != 0 { codes |= X87Status.c0 }
    if quotient & 2 != 0 { codes |= X87Status.c3 }
    if quotient & 1 != 0 { codes |= X87Status.c1 }
    setConditions(codes)
    return true
  }

  /// FXTRACT: the exponent takes ST0's place, the significand is pushed.
  func extract() -> Bool {
    if isEmpty(0) || !isEmpty(-1) {
      let isUnderflow = isEmpty(0)
      guard stackFault(overflow: !isUnderflow) else { return true }
      setST(0, .indefinite)
      pushUnchecked(.indefinite)
      return true
    }
    var context = self.context
    let result = context.extract(st(0))
    report(context)
    if context.isStopped { return true }
    setST(0, result.exponent)
    pushUnchecked(result.significand)
    return true
  }
}

extension CPU {
  /// ZF, PF and CF as FCOMI and COMISS set them; OF, SF and AF cleared.
  func setOrderFlags(_ order: FloatingPointOrder) {
    switch order {
    case .less: statusFlags = RFlags.cf
    case .equal: statusFlags = RFlags.zf
    case .greater: statusFlags = 0
    case .unordered: statusFlags = RFlags.zf | RFlags.pf | RFlags.cf
    }
  }
}
