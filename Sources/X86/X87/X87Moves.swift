internal import VMMCore

// Loads, stores and exchanges. Memory is stored to before anything of the x87 changes.
extension X87Unit {
  // MARK: Operands from memory

  func loadSingle(_ op: Op) -> Operand? {
    guard let at = cpu.address(op, 4), let bits = cpu.load(UInt32.self, at) else { return nil }
    return operand(UInt64(bits), .single)
  }

  func loadDouble(_ op: Op) -> Operand? {
    guard let at = cpu.address(op, 8), let bits = cpu.load(UInt64.self, at) else { return nil }
    return operand(bits, .double)
  }

  /// The value itself, an SNaN left as it is; `context` tells what FLD would raise.
  private func operand(_ bits: UInt64, _ format: FloatingPointFormat) -> Operand {
    var context = self.context
    _ = context.load(bits, from: format)
    return Operand(value: Extended(exactly: format.unpack(bits)), context: context)
  }

  func loadInteger<T: FixedWidthInteger & UnsignedInteger>(_ op: Op, _ type: T.Type) -> Operand? {
    guard let at = cpu.address(op, T.bitWidth / 8), let bits = cpu.load(T.self, at) else { return nil }
    let shift = Int64(64 - T.bitWidth)
    let value = (Int64(truncatingIfNeeded: bits) &<< shift) &>> shift
    return Operand(value: Extended(value), context: context)
  }

  // MARK: Pushing

  /// FLD, FILD.
  func load(_ operand: Operand?) -> Bool {
    guard let operand else { return false }
    if !isEmpty(-1) { return pushFault() }
    report(operand.context)
    // An unmasked denormal is loaded all the same.
    let raised = operand.context.raised
    if raised.subtracting(operand.context.masked).contains(.invalid) { return true }
    pushUnchecked(raised.contains(.invalid) ? operand.value.quieted : operand.value)
    return true
  }

  private func pushFault() -> Bool {
    if stackFault(overflow: true) { pushUnchecked(.indefinite) }
    return true
  }

  private func push(_ value: Extended) -> Bool { load(Operand(value: value, context: context)) }

  func loadExtended(_ op: Op) -> Bool {
    guard let at = cpu.address(op, 10), let low = cpu.load(UInt64.self, at),
      let high = cpu.load(UInt16.self, cpu.nextLinear(at, 8))
    else { return false }
    return push(Extended(significand: low, signExponent: high))
  }

  func loadDecimal(_ op: Op) -> Bool {
    guard let at = cpu.address(op, 10), let low = cpu.load(UInt64.self, at),
      let high = cpu.load(UInt16.self, cpu.nextLinear(at, 8))
    else { return false }
    return push(Extended(packedDecimal: low, high))
  }

  /// FLD ST(i).
  func loadRegister(_ position: Int) -> Bool {
    if isEmpty(position) {
      if stackFault(overflow: false) { pushUnchecked(.indefinite) }
      return true
    }
    return push(st(position))
  }

  /// FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ; rounded as the control word asks.
  func loadConstant(_ number: Int) -> Bool {
    // The 64-bit significand, the sign of what is cut off, and the exponent.
    let rounding = (control >> 10) & 3
    let isUp = rounding == RoundingMode.up.rawValue
    let isDown = rounding == RoundingMode.down.rawValue || rounding == RoundingMode.towardZero.rawValue
    switch number {
    case 0: return push(.one)
    case 1: return push(Extended(significand: 0xd49a_784b_cd1b_8afe + (isUp ? 1 : 0), signExponent: 0x4000))
    case 2: return push(Extended(significand: 0xb8aa_3b29_5c17_f0bc - (isDown ? 1 : 0), signExponent: 0x3fff))
    case 3: return push(Extended(significand: 0xc90f_daa2_2168_c235 - (isDown ? 1 : 0), signExponent: 0x4000))
    case 4: return push(Extended(significand: 0x9a20_9a84_fbcf_f799 - (isDown ? 1 : 0), signExponent: 0x3ffd))
    case 5: return push(Extended(significand: 0xb172_17f7_d1cf_79ac - (isDown ? 1 : 0), signExponent: 0x3ffe))
    default: return push(.zero(sign: false))
    }
  }

  // MARK: Stores

  /// FST, FSTP to memory.
  func store(_ op: Op, _ format: FloatingPointFormat, pops: Bool) -> Bool {
    let size = format.precision == 24 ? 4 : 8
    var context = self.context
    let bits = isEmpty(0) ? nil : context.store(st(0), to: format)
    if let done = skipsStore(stores: bits != nil, context) { return done }
    guard let at = cpu.address(op, size, write: true) else { return false }
    if isEmpty(0) {
      guard control & 1 == 0 ? cpu.prepareStore(at, size) : write(format.indefinite, size, at) else { return false }
      if stackFault(overflow: false) && pops { pop() }
      return true
    }
    // Where nothing is stored the operand must be accessible all the same.
    guard bits.map({ write($0, size, at) }) ?? cpu.prepareStore(at, size) else { return false }
    report(context)
    if bits != nil && pops { pop() }
    return true
  }

  /// Where nothing is stored because of an unmasked exception, some CPUs do not look at the operand: the instruction
  /// ends here, with the exception pending.
  private func skipsStore(stores: Bool, _ context: FloatingPointContext) -> Bool? {
    guard !stores, cpu.does(.skipsStoresOfX87Errors) else { return nil }
    guard isEmpty(0) else {
      report(context)
      return true
    }
    return control & 1 == 0 ? !stackFault(overflow: false) : nil
  }

  /// FIST, FISTP, FISTTP.
  func storeInteger<T: FixedWidthInteger & UnsignedInteger>(
    _ op: Op, _ type: T.Type, pops: Bool, truncating: Bool = false
  ) -> Bool {
    let size = T.bitWidth / 8
    var context = self.context
    let value = isEmpty(0) ? nil : context.storeInteger(st(0), bits: T.bitWidth, truncating: truncating)
    if let done = skipsStore(stores: value != nil, context) { return done }
    guard let at = cpu.address(op, size, write: true) else { return false }
    if isEmpty(0) {
      let indefinite: UInt64 = 1 &<< UInt64(T.bitWidth - 1)
      guard control & 1 == 0 ? cpu.prepareStore(at, size) : write(indefinite, size, at) else { return false }
      if stackFault(overflow: false) && pops { pop() }
      return true
    }
    guard value.map({ write(UInt64(bitPattern: $0), size, at) }) ?? cpu.prepareStore(at, size) else { return false }
    report(context)
    if value != nil && pops { pop() }
    return true
  }

  /// FBSTP.
  func storeDecimal(_ op: Op) -> Bool {
    var context = self.context
    let value = isEmpty(0) ? nil : context.storePackedDecimal(st(0))
    if let done = skipsStore(stores: value != nil, context) { return done }
    guard let at = cpu.address(op, 10, write: true) else { return false }
    if isEmpty(0) {
      guard control & 1 == 0 ? isTenWritable(at) : writeTen(0xc000_0000_0000_0000, 0xffff, at) else {
        return false
      }
      if stackFault(overflow: false) { pop() }
      return true
    }
    guard value.map({ writeTen($0.low, $0.high, at) }) ?? isTenWritable(at) else { return false }
    report(context)
    if value != nil { pop() }
    return true
  }

  /// FSTP m80: raises nothing but a stack fault.
  func storeExtended(_ op: Op) -> Bool {
    if let done = skipsStore(stores: !isEmpty(0), context) { return done }
    guard let at = cpu.address(op, 10, write: true) else { return false }
    if isEmpty(0) {
      let value = Extended.indefinite
      guard control & 1 == 0 ? isTenWritable(at) : writeTen(value.significand, value.signExponent, at) else {
        return false
      }
      if stackFault(overflow: false) { pop() }
      return true
    }
    let value = st(0)
    guard writeTen(value.significand, value.signExponent, at) else { return false }
    cpu.s[Slot.fsw] &= ~UInt64(X87Status.c1)
    pop()
    return true
  }

  private func write(_ bits: UInt64, _ size: Int, _ at: UInt64) -> Bool {
    switch size {
    case 2: cpu.store(UInt16(truncatingIfNeeded: bits), at)
    case 4: cpu.store(UInt32(truncatingIfNeeded: bits), at)
    default: cpu.store(bits, at)
    }
  }

  private func writeTen(_ low: UInt64, _ high: UInt16, _ at: UInt64) -> Bool {
    isTenWritable(at) && cpu.store(low, at) && cpu.store(high, cpu.nextLinear(at, 8))
  }

  /// Ten bytes are two operands: the faults of the first eight come first.
  private func isTenWritable(_ at: UInt64) -> Bool {
    cpu.prepareStore(at, 8) && cpu.prepareStore(cpu.nextLinear(at, 8), 2)
  }

  // MARK: Between registers

  /// FST, FSTP to ST(i).
  func copy(to position: Int, pops: Bool) -> Bool {
    var value = Extended.indefinite
    if isEmpty(0) {
      guard stackFault(overflow: false) else { return true }
    } else {
      value = st(0)
      cpu.s[Slot.fsw] &= ~UInt64(X87Status.c1)
    }
    setST(position, value)
    if pops { pop() }
    return true
  }

  /// FSTPNCE (D9 D8): as FSTP ST(i), but an empty register is just popped.
  func copyUnchecked(to position: Int) -> Bool {
    if !isEmpty(0) { setST(position, st(0)) }
    cpu.s[Slot.fsw] &= ~UInt64(X87Status.c1)
    pop()
    return true
  }

  /// FXCH: an empty register counts as holding the indefinite.
  func exchange(_ position: Int) -> Bool {
    if isEmpty(0) || isEmpty(position) {
      guard stackFault(overflow: false) else { return true }
      if isEmpty(0) { setST(0, .indefinite) }
      if isEmpty(position) { setST(position, .indefinite) }
    } else {
      cpu.s[Slot.fsw] &= ~UInt64(X87Status.c1)
    }
    let other = st(position)
    setST(position, st(0))
    setST(0, other)
    return true
  }

  /// FCMOVB, E, BE, U and their opposites.
  func conditionalMove(_ row: UInt8, _ position: Int, negated: Bool) -> Bool {
    let holds =
      switch row {
      case 0: cpu.cf
      case 1: cpu.zf
      case 2: cpu.cf || cpu.zf
      default: cpu.pf
      }
    if isEmpty(0) || isEmpty(position) {
      if stackFault(overflow: false) { setST(0, .indefinite) }
      return true
    }
    if holds != negated { setST(0, st(position)) }
    return true
  }
}
