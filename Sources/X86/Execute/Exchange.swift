// XCHG, XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B.
extension CPU {
  @inline(never)
  func executeExchange(_ op: Op) -> Bool {
    let size = op.size
    let value = registerWord(op.reg, size)
    var old: UInt64 = 0
    let done = modifyRMWord(op) {
      old = $0
      return value
    }
    if done { setRegisterWord(op.reg, old, size) }
    return done
  }

  @inline(never)
  func executeExchangeAdd(_ op: Op) -> Bool {
    let size = op.size
    let value = registerWord(op.reg, size)
    var old: UInt64 = 0
    guard op.isMemory else {
      old = registerWord(op.rm, size)
      setRegisterWord(op.reg, old, size)
      setRegisterWord(op.rm, old &+ value, size)
      setAddFlags(old, value, size)
      return true
    }
    let done = modifyRMWord(op) {
      old = $0
      return $0 &+ value
    }
    guard done else { return false }
    setRegisterWord(op.reg, old, size)
    setAddFlags(old, value, size)
    return true
  }

  private func setAddFlags(_ a: UInt64, _ b: UInt64, _ size: Int) {
    switch size {
    case 1: setFlags(add(UInt8(truncatingIfNeeded: a), UInt8(truncatingIfNeeded: b)))
    case 2: setFlags(add(UInt16(truncatingIfNeeded: a), UInt16(truncatingIfNeeded: b)))
    case 4: setFlags(add(UInt32(truncatingIfNeeded: a), UInt32(truncatingIfNeeded: b)))
    default: setFlags(add(a, b))
    }
  }

  /// The flags of `a - b`, as CMP sets them.
  @inline(never)
  func setCompareFlags(_ a: UInt64, _ b: UInt64, _ size: Int) {
    switch size {
    case 1: setFlags(subtract(UInt8(truncatingIfNeeded: a), UInt8(truncatingIfNeeded: b)))
    case 2: setFlags(subtract(UInt16(truncatingIfNeeded: a), UInt16(truncatingIfNeeded: b)))
    case 4: setFlags(subtract(UInt32(truncatingIfNeeded: a), UInt32(truncatingIfNeeded: b)))
    default: setFlags(subtract(a, b))
    }
  }

  /// Memory is written whether or not the comparison succeeds.
  @inline(never)
  func executeCompareExchange(_ op: Op) -> Bool {
    let size = op.size
    let expected = registerWord(0, size)
    let new = registerWord(op.reg, size)
    if !op.isMemory {
      let old = registerWord(op.rm, size)
      setCompareFlags(expected, old, size)
      if old == expected { setRegisterWord(op.rm, new, size) } else { setRegisterWord(0, old, size) }
      return true
    }
    var old: UInt64 = 0
    let done = modifyRMWord(op) {
      old = $0
      return $0 == expected ? new : $0
    }
    guard done else { return false }
    setCompareFlags(expected, old, size)
    if old != expected { setRegisterWord(0, old, size) }
    return true
  }

  /// 8 bytes, or 16 with REX.W, which must be aligned.
  @inline(never)
  func executeCompareExchangePair(_ op: Op) -> Bool {
    let half = op.size
    guard let at = address(op, 2 * half, write: true) else { return false }
    guard half == 4 || at & 15 == 0 else { return raiseProtection() }
    let second = nextLinear(at, UInt64(half))
    guard prepareUpdate(at, 2 * half), let low = loadWord(at, half), let high = loadWord(second, half) else {
      return false
    }
    let equal = low == registerWord(0, half) && high == registerWord(16, half)
    let (newLow, newHigh) = equal ? (registerWord(24, half), registerWord(8, half)) : (low, high)
    guard storeWord(newLow, at, half), storeWord(newHigh, second, half) else { return false }
    if !equal {
      setRegisterWord(0, low, half)
      setRegisterWord(16, high, half)
    }
    setZF(equal)
    return true
  }

  /// Changes ZF alone.
  @inline(__always) func setZF(_ value: Bool) { s[Slot.flagZero] = value ? 0 : 1 }
}
