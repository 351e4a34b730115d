internal import VMMCore

// The 0F 3A map: SSE4.1 and SSE4.2 with an immediate, PALIGNR.
extension CPU {
  func execute3A(_ op: Op) -> Bool {
    switch op.opcode {
    case 0x08...0x0b: return executeRound(op)
    case 0x0c...0x0e: return executeBlend(op)
    case 0x0f: return executeAlign(op)
    case 0x14...0x17: return executeExtract(op)
    case 0x20...0x22: return executeInsert(op)
    case 0x40, 0x41: return executeDotProduct(op)
    case 0x42: return executeSumsOfDifferences(op)
    default: return executeStringCompare(op)
    }
  }

  private func control(_ op: Op) -> UInt8 { UInt8(truncatingIfNeeded: op.immediate) }

  /// ROUNDPS, ROUNDPD, ROUNDSS, ROUNDSD.
  private func executeRound(_ op: Op) -> Bool {
    let control = control(op)
    let operation: (UInt64, FloatingPointFormat, inout FloatingPointContext) -> UInt64 = {
      let rounding = $2.rounding
      if control & 4 == 0 { $2.rounding = RoundingMode(rawValue: control & 3).unsafelyUnwrapped }
      let result = $2.roundToInteger($0, quiet: control & 8 != 0, $1)
      $2.rounding = rounding
      return result
    }
    switch op.opcode {
    case 0x08:
      guard let source = loadVector(op) else { return false }
      return finishSingles(op, source, source) { a, _, context in operation(a, .single, &context) }
    case 0x09:
      guard let source = loadVector(op) else { return false }
      return finishDoubles(op, source, source) { a, _, context in operation(a, .double, &context) }
    case 0x0a:
      guard let source = loadScalar(op, UInt32.self) else { return false }
      var context = vectorContext
      let result = operation(UInt64(source), .single, &context)
      guard report(context) else { return false }
      setXMMLow32(op.regNumber, result)
    default:
      guard let source = loadScalar(op, UInt64.self) else { return false }
      var context = vectorContext
      let result = operation(source, .double, &context)
      guard report(context) else { return false }
      setXMMLow(op.regNumber, result)
    }
    return true
  }

  /// BLENDPS, BLENDPD, PBLENDW.
  private func executeBlend(_ op: Op) -> Bool {
    guard let b = loadVector(op) else { return false }
    let a = xmm(op.regNumber)
    let control = control(op)
    switch op.opcode {
    case 0x0c:
      var lanes = a.u32
      for lane in 0..<4 where control >> UInt8(lane) & 1 != 0 { lanes[lane] = b.u32[lane] }
      setXMM(op.regNumber, v128(lanes))
    case 0x0d: setXMM(op.regNumber, V128(control & 1 != 0 ? b.low : a.low, control & 2 != 0 ? b.high : a.high))
    default:
      var lanes = a.u16
      for lane in 0..<8 where control >> UInt8(lane) & 1 != 0 { lanes[lane] = b.u16[lane] }
      setXMM(op.regNumber, v128(lanes))
    }
    return true
  }

  /// PALIGNR.
  private func executeAlign(_ op: Op) -> Bool {
    let count = UInt64(control(op))
    if op.mandatoryPrefix == .none {
      guard let low = loadMMX(op) else { return false }
      setMMX(op.regNumber, Packed.shiftBytes(V128(low, mmx(op.regNumber)), count, left: false).low)
      return true
    }
    guard let low = loadVector(op) else { return false }
    let high = xmm(op.regNumber)
    let result =
      count < 16
      ? Packed.shiftBytes(low, count, left: false) | Packed.shiftBytes(high, 16 &- count, left: true)
      : Packed.shiftBytes(high, count &- 16, left: false)
    setXMM(op.regNumber, result)
    return true
  }

  /// PEXTRB, PEXTRW, PEXTRD, PEXTRQ, EXTRACTPS.
  private func executeExtract(_ op: Op) -> Bool {
    let value = xmm(op.regNumber)
    let control = Int(control(op))
    switch op.opcode {
    case 0x14: return storeLane(op, value.u8[control & 15])
    case 0x15: return storeLane(op, value.u16[control & 7])
    case 0x16 where op.rexW: return storeLane(op, value[control & 1])
    default: return storeLane(op, value.u32[control & 3])
    }
  }

  /// To memory, or to a general register with zeros above.
  private func storeLane<T: FixedWidthInteger & UnsignedInteger>(_ op: Op, _ lane: T) -> Bool {
    guard op.isMemory else {
      s[op.rmNumber] = UInt64(lane)
      return true
    }
    guard let at = address(op, MemoryLayout<T>.size, write: true) else { return false }
    return store(lane, at)
  }

  /// From memory, or from a general register.
  private func loadLane<T: FixedWidthInteger & UnsignedInteger>(_ op: Op, _ type: T.Type) -> T? {
    guard op.isMemory else { return T(truncatingIfNeeded: s[op.rmNumber]) }
    guard let at = address(op, MemoryLayout<T>.size) else { return nil }
    return load(T.self, at)
  }

  /// PINSRB, INSERTPS, PINSRD, PINSRQ.
  private func executeInsert(_ op: Op) -> Bool {
    let control = Int(control(op))
    var value = xmm(op.regNumber)
    switch op.opcode {
    case 0x20:
      guard let lane = loadLane(op, UInt8.self) else { return false }
      var lanes = value.u8
      lanes[control & 15] = lane
      value = v128(lanes)
    case 0x21:
      guard let lane = loadSingleLane(op, control >> 6) else { return false }
      var lanes = value.u32
      lanes[control >> 4 & 3] = lane
      for index in 0..<4 where control >> index & 1 != 0 { lanes[index] = 0 }
      value = v128(lanes)
    case 0x22 where op.rexW:
      guard let lane = loadLane(op, UInt64.self) else { return false }
      value[control & 1] = lane
    default:
      guard let lane = loadLane(op, UInt32.self) else { return false }
      var lanes = value.u32
      lanes[control & 3] = lane
      value = v128(lanes)
    }
    setXMM(op.regNumber, value)
    return true
  }

  private func loadSingleLane(_ op: Op, _ lane: Int) -> UInt32? {
    op.isMemory ? loadScalar(op, UInt32.self) : xmm(op.rmNumber).u32[lane]
  }

  /// DPPS, DPPD: products of the lanes that the immediate's upper half names, summed in pairs, to those of the lower
  /// half.
  private func executeDotProduct(_ op: Op) -> Bool {
    guard let b = loadVector(op) else { return false }
    let a = xmm(op.regNumber)
    let control = control(op)
    var context = vectorContext
    if op.opcode == 0x41 {
      let products = (0..<2).map { control >> UInt8(4 + $0) & 1 != 0 ? context.multiply(a[$0], b[$0], .double) : 0 }
      guard reportLanes(&context) else { return false }
      let sum = context.add(products[0], products[1], .double)
      guard report(context) else { return false }
      let other = does(.sumsDotProductsByLane) ? context.add(products[1], products[0], .double) : sum
      setXMM(op.regNumber, V128(control & 1 != 0 ? sum : 0, control & 2 != 0 ? other : 0))
      return true
    }
    let (x, y) = (a.u32, b.u32)
    let products = (0..<4).map {
      control >> UInt8(4 + $0) & 1 != 0 ? context.multiply(UInt64(x[$0]), UInt64(y[$0]), .single) : 0
    }
    guard reportLanes(&context) else { return false }
    // Which operand comes first tells in NaNs alone.
    let byLane = does(.sumsDotProductsByLane)
    let pairs = (0..<4).map {
      let (first, second) = byLane ? ($0 ^ 1, $0) : ($0 & 2, $0 | 1)
      return context.add(products[first], products[second], .single)
    }
    guard reportLanes(&context) else { return false }
    var lanes = SIMD4<UInt32>()
    for lane in 0..<4 {
      let first = byLane ? lane : 0
      let sum = context.add(pairs[first], pairs[first ^ 2], .single)
      if control >> UInt8(lane) & 1 != 0 { lanes[lane] = UInt32(truncatingIfNeeded: sum) }
    }
    guard report(context) else { return false }
    setXMM(op.regNumber, v128(lanes))
    return true
  }

  /// MPSADBW.
  private func executeSumsOfDifferences(_ op: Op) -> Bool {
    guard let b = loadVector(op)?.u8 else { return false }
    let a = xmm(op.regNumber).u8
    let control = Int(control(op))
    let first = (control >> 2 & 1) * 4
    let second = (control & 3) * 4
    var lanes = SIMD8<UInt16>()
    for lane in 0..<8 {
      for byte in 0..<4 {
        let (x, y) = (a[first + lane + byte], b[second + byte])
        lanes[lane] &+= UInt16(x > y ? x - y : y - x)
      }
    }
    setXMM(op.regNumber, v128(lanes))
    return true
  }
}
