// Conversions (0F 2A, 2C, 2D, 5A, 5B, E6).
extension CPU {
  func executeConversion(_ op: Op) -> Bool {
    switch op.opcode {
    case 0x2a: return executeFromInteger(op)
    case 0x2c, 0x2d: return executeToInteger(op, truncating: op.opcode == 0x2c)
    case 0x5a: return executeChangeFormat(op)
    case 0x5b: return executePackedWords(op)
    default: return executeE6(op)
    }
  }

  /// CVTSI2SS, CVTSI2SD, CVTPI2PS, CVTPI2PD.
  private func executeFromInteger(_ op: Op) -> Bool {
    var context = vectorContext
    switch op.mandatoryPrefix {
    case .pF3, .pF2:
      let isDouble = op.mandatoryPrefix == .pF2
      let integer: Int64
      if op.rexW {
        guard let value = readRM(op, UInt64.self) else { return false }
        integer = Int64(bitPattern: value)
      } else {
        guard let value = readRM(op, UInt32.self) else { return false }
        integer = Int64(Int32(bitPattern: value))
      }
      let result = context.convert(integer: integer, to: isDouble ? .double : .single)
      guard report(context) else { return false }
      if isDouble { setXMMLow(op.regNumber, result) } else { setXMMLow32(op.regNumber, result) }
      return true
    case .none, .p66:
      guard let value = loadMMX(op) else { return false }
      let isDouble = op.mandatoryPrefix == .p66
      let format = isDouble ? FloatingPointFormat.double : .single
      let low = context.convert(integer: Int64(Int32(truncatingIfNeeded: value)), to: format)
      let high = context.convert(integer: Int64(Int32(truncatingIfNeeded: value >> 32)), to: format)
      guard report(context) else { return false }
      if isDouble { setXMM(op.regNumber, V128(low, high)) } else { setXMMLow(op.regNumber, low | high << 32) }
      return true
    }
  }

  /// CVTSS2SI, CVTSD2SI, CVTPS2PI, CVTPD2PI and the truncating ones.
  private func executeToInteger(_ op: Op, truncating: Bool) -> Bool {
    var context = vectorContext
    let bits = op.rexW ? 64 : 32
    let value: Int64
    switch op.mandatoryPrefix {
    case .pF3:
      guard let source = loadScalar(op, UInt32.self) else { return false }
      value = context.integer(UInt64(source), bits: bits, truncating: truncating, .single)
    case .pF2:
      guard let source = loadScalar(op, UInt64.self) else { return false }
      value = context.integer(source, bits: bits, truncating: truncating, .double)
    case .none:
      guard let source = loadScalar(op, UInt64.self) else { return false }
      return finishMMXIntegers(op, source & 0xffff_ffff, source >> 32, truncating, .single)
    case .p66:
      guard let source = loadVector(op) else { return false }
      return finishMMXIntegers(op, source.low, source.high, truncating, .double)
    }
    guard report(context) else { return false }
    setGeneral(op, op.regNumber, UInt64(bitPattern: value))
    return true
  }

  private func finishMMXIntegers(
    _ op: Op, _ a: UInt64, _ b: UInt64, _ truncating: Bool, _ format: FloatingPointFormat
  ) -> Bool {
    var context = vectorContext
    let low = context.integer(a, bits: 32, truncating: truncating, format)
    let high = context.integer(b, bits: 32, truncating: truncating, format)
    guard reportLanes(&context) else { return false }
    setMMX(op.regNumber, pair(low, high))
    return true
  }

  private func pair(_ low: Int64, _ high: Int64) -> UInt64 {
    UInt64(UInt32(truncatingIfNeeded: low)) | UInt64(UInt32(truncatingIfNeeded: high)) << 32
  }

  /// CVTPS2PD, CVTPD2PS, CVTSS2SD, CVTSD2SS.
  private func executeChangeFormat(_ op: Op) -> Bool {
    var context = vectorContext
    switch op.mandatoryPrefix {
    case .none:
      guard let source = loadScalar(op, UInt64.self) else { return false }
      let low = context.convert(source & 0xffff_ffff, from: .single, to: .double)
      let high = context.convert(source >> 32, from: .single, to: .double)
      guard reportLanes(&context) else { return false }
      setXMM(op.regNumber, V128(low, high))
    case .p66:
      guard let source = loadVector(op) else { return false }
      let low = context.convert(source.low, from: .double, to: .single)
      let high = context.convert(source.high, from: .double, to: .single)
      guard reportLanes(&context) else { return false }
      setXMM(op.regNumber, V128(low: low | high << 32))
    case .pF3:
      guard let source = loadScalar(op, UInt32.self) else { return false }
      let result = context.convert(UInt64(source), from: .single, to: .double)
      guard report(context) else { return false }
      setXMMLow(op.regNumber, result)
    case .pF2:
      guard let source = loadScalar(op, UInt64.self) else { return false }
      let result = context.convert(source, from: .double, to: .single)
      guard report(context) else { return false }
      setXMMLow32(op.regNumber, result)
    }
    return true
  }

  /// CVTDQ2PS, CVTPS2DQ, CVTTPS2DQ.
  private func executePackedWords(_ op: Op) -> Bool {
    guard let source = loadVector(op) else { return false }
    if op.mandatoryPrefix == .none {
      return finishSingles(op, source, source) { a, _, context in
        context.convert(integer: Int64(Int32(truncatingIfNeeded: a)), to: .single)
      }
    }
    let truncating = op.mandatoryPrefix == .pF3
    return finishSingles(op, source, source) { a, _, context in
      UInt64(truncatingIfNeeded: context.integer(a, bits: 32, truncating: truncating, .single))
    }
  }

  /// CVTPD2DQ, CVTTPD2DQ, CVTDQ2PD.
  private func executeE6(_ op: Op) -> Bool {
    var context = vectorContext
    if op.mandatoryPrefix == .pF3 {
      guard let source = loadScalar(op, UInt64.self) else { return false }
      let low = context.convert(integer: Int64(Int32(truncatingIfNeeded: source)), to: .double)
      let high = context.convert(integer: Int64(Int32(truncatingIfNeeded: source >> 32)), to: .double)
      setXMM(op.regNumber, V128(low, high))
      return true
    }
    guard let source = loadVector(op) else { return false }
    let truncating = op.mandatoryPrefix == .p66
    let low = context.integer(source.low, bits: 32, truncating: truncating, .double)
    let high = context.integer(source.high, bits: 32, truncating: truncating, .double)
    guard reportLanes(&context) else { return false }
    setXMM(op.regNumber, V128(low: pair(low, high)))
    return true
  }
}
