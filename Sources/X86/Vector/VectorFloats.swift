internal import VMMCore

// SSE arithmetic on packed and scalar values (0F 51 … 5F, 7C, 7D, C2, D0).
extension CPU {
  func executeFloat(_ op: Op) -> Bool {
    switch op.opcode {
    case 0x52, 0x53: return executeApproximation(op)
    case 0x7c, 0x7d, 0xd0: return executeHorizontal(op)
    default: break
    }
    guard let operation = FloatOperation(rawValue: op.opcode) else { return raiseUndefined() }
    switch op.mandatoryPrefix {
    case .none: return executePackedSingle(op, operation)
    case .p66: return executePackedDouble(op, operation)
    case .pF3: return executeScalarSingle(op, operation)
    case .pF2: return executeScalarDouble(op, operation)
    }
  }

  private func predicate(_ op: Op) -> UInt8 { UInt8(truncatingIfNeeded: op.immediate & 7) }

  private func executeScalarDouble(_ op: Op, _ operation: FloatOperation) -> Bool {
    guard let b = loadScalar(op, UInt64.self) else { return false }
    let a = xmmLow(op.regNumber)
    if mayUseHostArithmetic, let result = operation.onHost(a, b) {
      setXMMLow(op.regNumber, result)
      return true
    }
    var context = vectorContext
    let result = operation.apply(a, b, predicate: predicate(op), .double, &context)
    guard report(context) else { return false }
    setXMMLow(op.regNumber, result)
    return true
  }

  private func executeScalarSingle(_ op: Op, _ operation: FloatOperation) -> Bool {
    guard let loaded = loadScalar(op, UInt32.self) else { return false }
    let b = UInt64(loaded)
    let a = xmmLow(op.regNumber) & 0xffff_ffff
    if mayUseHostArithmetic, let result = operation.onHostSingle(a, b) {
      setXMMLow32(op.regNumber, result)
      return true
    }
    var context = vectorContext
    let result = operation.apply(a, b, predicate: predicate(op), .single, &context)
    guard report(context) else { return false }
    setXMMLow32(op.regNumber, result)
    return true
  }

  private func executePackedDouble(_ op: Op, _ operation: FloatOperation) -> Bool {
    guard let b = loadVector(op) else { return false }
    let a = xmm(op.regNumber)
    if mayUseHostArithmetic, let low = operation.onHost(a.low, b.low), let high = operation.onHost(a.high, b.high) {
      setXMM(op.regNumber, V128(low, high))
      return true
    }
    return finishDoubles(op, a, b) { operation.apply($0, $1, predicate: predicate(op), .double, &$2) }
  }

  private func executePackedSingle(_ op: Op, _ operation: FloatOperation) -> Bool {
    guard let b = loadVector(op) else { return false }
    let a = xmm(op.regNumber)
    if mayUseHostArithmetic, let low = onHostSingles(operation, a.low, b.low),
      let high = onHostSingles(operation, a.high, b.high)
    {
      setXMM(op.regNumber, V128(low, high))
      return true
    }
    return finishSingles(op, a, b) {
      operation.apply($0, $1, predicate: predicate(op), .single, &$2)
    }
  }

  /// Two lanes in one word.
  @inline(__always)
  private func onHostSingles(_ operation: FloatOperation, _ a: UInt64, _ b: UInt64) -> UInt64? {
    guard let low = operation.onHostSingle(a & 0xffff_ffff, b & 0xffff_ffff),
      let high = operation.onHostSingle(a >> 32, b >> 32)
    else { return nil }
    return low | high << 32
  }

  /// A lane's operation: what it yields, and what it raises.
  typealias LaneOperation = (UInt64, UInt64, inout FloatingPointContext) -> UInt64

  /// Lanes raise their exceptions together. One that is found before the result, unmasked in any lane, keeps those that
  /// come with results down in all.
  func finishDoubles(_ op: Op, _ a: V128, _ b: V128, _ operation: LaneOperation) -> Bool {
    var context = vectorContext
    var result = V128()
    for lane in 0..<2 { result[lane] = operation(a[lane], b[lane], &context) }
    guard reportLanes(&context) else { return false }
    setXMM(op.regNumber, result)
    return true
  }

  func finishSingles(_ op: Op, _ a: V128, _ b: V128, _ operation: LaneOperation) -> Bool {
    var context = vectorContext
    var result = SIMD4<UInt32>()
    for lane in 0..<4 {
      result[lane] = UInt32(truncatingIfNeeded: operation(UInt64(a.u32[lane]), UInt64(b.u32[lane]), &context))
    }
    guard reportLanes(&context) else { return false }
    setXMM(op.regNumber, v128(result))
    return true
  }

  func reportLanes(_ context: inout FloatingPointContext) -> Bool {
    if context.isStopped { context.raised.formIntersection(.beforeResult) }
    return report(context)
  }

  /// HADDPS, HADDPD, HSUBPS, HSUBPD, ADDSUBPS, ADDSUBPD.
  private func executeHorizontal(_ op: Op) -> Bool {
    guard let b = loadVector(op) else { return false }
    let a = xmm(op.regNumber)
    let isDouble = op.mandatoryPrefix == .p66
    let format = isDouble ? FloatingPointFormat.double : .single
    if op.opcode == 0xd0 { return executeAddSubtract(op, a, b, format) }
    let subtracts = op.opcode == 0x7d
    let operation: LaneOperation = { subtracts ? $2.subtract($0, $1, format) : $2.add($0, $1, format) }
    if isDouble { return finishDoubles(op, V128(a.low, b.low), V128(a.high, b.high), operation) }
    let (x, y) = (a.u32, b.u32)
    let first = SIMD4<UInt32>(x[0], x[2], y[0], y[2])
    let second = SIMD4<UInt32>(x[1], x[3], y[1], y[3])
    return finishSingles(op, v128(first), v128(second), operation)
  }

  /// Even lanes subtract, odd ones add.
  private func executeAddSubtract(_ op: Op, _ a: V128, _ b: V128, _ format: FloatingPointFormat) -> Bool {
    var isOdd = false
    let operation: LaneOperation = {
      defer { isOdd.toggle() }
      return isOdd ? $2.add($0, $1, format) : $2.subtract($0, $1, format)
    }
    return format.precision == 53 ? finishDoubles(op, a, b, operation) : finishSingles(op, a, b, operation)
  }

  /// ANDPS, ANDNPS, ORPS, XORPS and the PD ones.
  func executeFloatLogic(_ op: Op) -> Bool {
    guard let b = loadVector(op) else { return false }
    let a = xmm(op.regNumber)
    switch op.opcode {
    case 0x54: setXMM(op.regNumber, a & b)
    case 0x55: setXMM(op.regNumber, ~a & b)
    case 0x56: setXMM(op.regNumber, a | b)
    default: setXMM(op.regNumber, a ^ b)
    }
    return true
  }

  /// RCPPS, RCPSS, RSQRTPS, RSQRTSS: raise nothing.
  private func executeApproximation(_ op: Op) -> Bool {
    note(.result(.approximations))
    let isReciprocal = op.opcode == 0x53
    let isCoarse = s[Slot.approximatesCoarsely] != 0
    let function: (UInt32) -> UInt32 = {
      isReciprocal ? Approximation.reciprocal($0, coarse: isCoarse) : Approximation.reciprocalRoot($0, coarse: isCoarse)
    }
    if op.mandatoryPrefix == .pF3 {
      guard let b = loadScalar(op, UInt32.self) else { return false }
      setXMMLow32(op.regNumber, UInt64(function(b)))
      return true
    }
    guard let b = loadVector(op)?.u32 else { return false }
    setXMM(op.regNumber, v128(SIMD4<UInt32>(function(b[0]), function(b[1]), function(b[2]), function(b[3]))))
    return true
  }

  /// UCOMISS, UCOMISD, COMISS, COMISD.
  func executeOrderedCompare(_ op: Op) -> Bool {
    var context = vectorContext
    let signaling = op.opcode == 0x2f
    let order: FloatingPointOrder
    if op.mandatoryPrefix == .p66 {
      guard let b = loadScalar(op, UInt64.self) else { return false }
      order = context.compare(xmmLow(op.regNumber), b, signaling: signaling, .double)
    } else {
      guard let b = loadScalar(op, UInt32.self) else { return false }
      order = context.compare(xmmLow(op.regNumber) & 0xffff_ffff, UInt64(b), signaling: signaling, .single)
    }
    guard report(context) else { return false }
    setOrderFlags(order)
    return true
  }
}
