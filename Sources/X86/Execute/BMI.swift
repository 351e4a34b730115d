internal import VMMCore

// BMI1, BMI2 and ADX.
extension CPU {
  /// ADCX and ADOX: an addition that carries through CF or OF alone.
  @inline(never)
  func executeCarryAdd(_ op: Op) -> Bool {
    let size = op.size
    guard let source = readRMWord(op) else { return false }
    let usesCF = op.handler == .adcx
    let carryIn: UInt64 = (usesCF ? cf : of) ? 1 : 0
    let a = registerWord(op.reg, size)
    let sum = (a &+ source &+ carryIn) & sizeMask(size)
    let carry = sum < a || carryIn != 0 && sum == a
    let (other, adjust) = (usesCF ? of : cf, af)
    setRegisterWord(op.reg, sum, size)
    setCarries(carry: usesCF ? carry : other, overflow: usesCF ? other : carry, adjust: adjust)
    return true
  }

  /// The instructions with a VEX prefix; `kind` is the byte offset of the register in VEX.vvvv.
  @inline(never)
  func executeBMI(_ op: Op) -> Bool {
    let size = op.size
    guard let source = readRMWord(op) else { return false }
    let other = registerWord(op.kind, size)
    switch op.handler {
    case .andn: finishLogic(op.reg, ~other & source, size, carry: false, .andNot, source)
    case .blsr: finishLogic(op.kind, source & (source &- 1), size, carry: source == 0, .bitFields, source)
    case .blsmsk: finishLogic(op.kind, source ^ (source &- 1), size, carry: source == 0, .bitFields, source)
    case .blsi: finishLogic(op.kind, source & (0 &- source), size, carry: source != 0, .bitFields, source)
    case .bzhi:
      let index = other & 0xff
      let keeps = index < UInt64(8 * size)
      let value = keeps ? source & ((1 << index) - 1) : source
      finishLogic(op.reg, value, size, carry: !keeps, .bitFields, source)
    case .bextr:
      let (start, length) = (other & 0xff, other >> 8 & 0xff)
      let shifted = source >> start
      let value = length < 64 ? shifted & ((1 << length) - 1) : shifted
      finishLogic(op.reg, value, size, carry: false, .bitExtract, source)
    case .pdep: setRegisterWord(op.reg, deposit(other, source), size)
    case .pext: setRegisterWord(op.reg, extract(other, source), size)
    case .rorx:
      let bits = UInt64(8 * size)
      let by = op.immediate & (bits - 1)
      setRegisterWord(op.reg, source >> by | source << (bits - by), size)
    case .sarx:
      let by = other & UInt64(8 * size - 1)
      setRegisterWord(op.reg, UInt64(bitPattern: Int64(bitPattern: signExtended(source, size)) >> Int64(by)), size)
    case .shlx: setRegisterWord(op.reg, source << (other & UInt64(8 * size - 1)), size)
    case .shrx: setRegisterWord(op.reg, source >> (other & UInt64(8 * size - 1)), size)
    default: multiplyWithoutFlags(op, source, size)
    }
    return true
  }

  private func finishLogic(
    _ register: UInt8, _ value: UInt64, _ size: Int, carry: Bool, _ group: UndefinedFlags, _ source: UInt64
  ) {
    let before = flagsBefore(group)
    setRegisterWord(register, value, size)
    setResultFlags(value, size)
    setCarries(carry: carry, overflow: false, adjust: group == .bitExtract)
    // SF of BEXTR is undefined: the reference clears it.
    if group == .bitExtract { s[Slot.flagSign] &= 0xff }
    imitate(group, before: before, result: value, source: source, size: size)
  }

  /// MULX: rDX times the operand; the low half goes to VEX.vvvv first, so that the high half wins.
  private func multiplyWithoutFlags(_ op: Op, _ source: UInt64, _ size: Int) {
    let product = (rdx & sizeMask(size)).multipliedFullWidth(by: source)
    setRegisterWord(op.kind, product.low, size)
    setRegisterWord(op.reg, size == 8 ? product.high : product.low >> 32, size)
  }

  /// PDEP: the low bits of `value`, spread to the places of the mask.
  private func deposit(_ value: UInt64, _ mask: UInt64) -> UInt64 {
    var (result, rest, source): (UInt64, UInt64, UInt64) = (0, mask, value)
    while rest != 0 {
      if source & 1 != 0 { result |= rest & (0 &- rest) }
      source >>= 1
      rest &= rest &- 1
    }
    return result
  }

  /// PEXT: the bits of `value` at the places of the mask, brought together.
  private func extract(_ value: UInt64, _ mask: UInt64) -> UInt64 {
    var (result, rest, place): (UInt64, UInt64, UInt64) = (0, mask, 1)
    while rest != 0 {
      if value & rest & (0 &- rest) != 0 { result |= place }
      place <<= 1
      rest &= rest &- 1
    }
    return result
  }
}
