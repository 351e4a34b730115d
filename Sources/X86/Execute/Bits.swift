internal import VMMCore

// BT, BTS, BTR, BTC, BSF, BSR, TZCNT, LZCNT, POPCNT, CRC32.
extension CPU {
  /// BT and its kin with the bit's number in a register: in memory that reaches beyond the operand.
  @inline(never)
  func executeBitRegister(_ op: Op) -> Bool {
    let size = op.size
    let number = registerWord(op.reg, size)
    let before = flagsBefore(.bitTest)
    guard op.isMemory else { return finishBit(op, number) }
    let bits = Int64(8 * size)
    let offset = Int64(bitPattern: signExtended(number, size))
    let displaced = UInt64(bitPattern: (offset >> Int64(bits.trailingZeroBitCount)) &* Int64(size))
    guard let at = bitAddress(op, displaced, size) else { return false }
    let bit = number & UInt64(bits - 1)
    if op.kind == 0 {
      guard let value = loadWord(at, size) else { return false }
      finishBitTest(op, value, number, before)
      return true
    }
    guard prepareUpdate(at, size), let value = loadWord(at, size), storeWord(changed(op.kind, value, bit), at, size)
    else { return false }
    finishBitTest(op, value, number, before)
    return true
  }

  private func finishBitTest(_ op: Op, _ value: UInt64, _ number: UInt64, _ before: UInt64) {
    let bit = number & UInt64(8 * op.size - 1)
    cf = value >> bit & 1 != 0
    imitate(.bitTest, before: before, result: changed(op.kind, value, bit), source: number, size: op.size)
  }

  /// The address of the word that holds the bit.
  private func bitAddress(_ op: Op, _ displaced: UInt64, _ size: Int) -> UInt64? {
    if op.isPlainAddress { return plainAddress(op) &+ displaced }
    let offset = (effectiveOffset(op) &+ displaced) & addressMask(op.addressSize)
    return linear(segment: op.segment, offset: offset, size: size, write: op.kind != 0)
  }

  private func changed(_ kind: UInt8, _ value: UInt64, _ bit: UInt64) -> UInt64 {
    switch kind {
    case 1: value | 1 << bit
    case 2: value & ~(1 << bit)
    case 3: value ^ 1 << bit
    default: value
    }
  }

  @inline(never)
  func executeBitImmediate(_ op: Op) -> Bool { finishBit(op, op.immediate) }

  private func finishBit(_ op: Op, _ number: UInt64) -> Bool {
    let bit = number & UInt64(8 * op.size - 1)
    let before = flagsBefore(.bitTest)
    if op.kind == 0 {
      guard let value = readRMWord(op) else { return false }
      finishBitTest(op, value, number, before)
      return true
    }
    var old: UInt64 = 0
    let done = modifyRMWord(op) {
      old = $0
      return changed(op.kind, $0, bit)
    }
    if done { finishBitTest(op, old, number, before) }
    return done
  }

  /// BSF and BSR leave the destination alone when the source is zero.
  @inline(never)
  func executeBitScan(_ op: Op) -> Bool {
    guard let source = readRMWord(op) else { return false }
    let before = flagsBefore(source == 0 ? .bitScanOfZero : .bitScan)
    s[Slot.flagZero] = source
    s[Slot.flagSign] = 0
    s[Slot.flagCarry] = 0
    guard source != 0 else {
      if op.size == 4 && does(.scanOfZeroClearsUpperHalf) { setRegisterWord(op.reg, registerWord(op.reg, 4), 4) }
      imitate(.bitScanOfZero, before: before, result: 0, source: 0, size: op.size)
      return true
    }
    let found = op.handler == .bsf ? source.trailingZeroBitCount : 63 - source.leadingZeroBitCount
    setRegisterWord(op.reg, UInt64(found), op.size)
    s[Slot.flagSign] = UInt64(found)
    imitate(.bitScan, before: before, result: UInt64(found), source: source, size: op.size)
    return true
  }

  /// TZCNT, LZCNT.
  @inline(never)
  func executeBitCount(_ op: Op) -> Bool {
    guard let source = readRMWord(op) else { return false }
    let before = flagsBefore(.bitCount)
    let bits = 8 * op.size
    let count: Int
    if op.handler == .tzcnt {
      count = min(source.trailingZeroBitCount, bits)
    } else {
      count = source.leadingZeroBitCount - (64 - bits)
    }
    setRegisterWord(op.reg, UInt64(count), op.size)
    setCarries(carry: source == 0, overflow: of)
    s[Slot.flagZero] = UInt64(count)
    s[Slot.flagSign] = 1
    imitate(.bitCount, before: before, result: UInt64(count), source: source, size: op.size)
    return true
  }

  @inline(never)
  func executePopulationCount(_ op: Op) -> Bool {
    guard let source = readRMWord(op) else { return false }
    setRegisterWord(op.reg, UInt64(source.nonzeroBitCount), op.size)
    s[Slot.flagZero] = source
    // Every other flag is cleared: a positive word of odd parity.
    s[Slot.flagSign] = 1
    s[Slot.flagCarry] = 0
    return true
  }

  /// CRC32 (polynomial 11EDC6F41, reflected): kind 1 takes a byte.
  @inline(never)
  func executeCRC32(_ op: Op) -> Bool {
    let size = op.kind == 1 ? 1 : op.size
    guard var source = readRMWord(op, size) else { return false }
    var crc = UInt32(truncatingIfNeeded: word(op.reg))
    for _ in 0..<size {
      crc ^= UInt32(source & 0xff)
      for _ in 0..<8 { crc = crc & 1 != 0 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
      source >>= 8
    }
    setRegisterWord(op.reg, UInt64(crc), 8)
    return true
  }
}
