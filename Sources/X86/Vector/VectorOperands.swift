// Registers and memory operands of MMX and SSE.
extension CPU {
  @inline(__always) func xmm(_ number: Int) -> V128 {
    V128(s[Slot.xmm &+ 2 &* number], s[Slot.xmm &+ 2 &* number &+ 1])
  }

  @inline(__always) func setXMM(_ number: Int, _ value: V128) {
    s[Slot.xmm &+ 2 &* number] = value[0]
    s[Slot.xmm &+ 2 &* number &+ 1] = value[1]
  }

  @inline(__always) func xmmLow(_ number: Int) -> UInt64 { s[Slot.xmm &+ 2 &* number] }
  @inline(__always) func setXMMLow(_ number: Int, _ value: UInt64) { s[Slot.xmm &+ 2 &* number] = value }
  @inline(__always) func setXMMLow32(_ number: Int, _ value: UInt64) {
    let at = Slot.xmm &+ 2 &* number
    s[at] = s[at] & ~0xffff_ffff | value & 0xffff_ffff
  }

  @inline(__always) func mmx(_ number: Int) -> UInt64 { s[Slot.x87Significand(number & 7)] }

  /// An MMX register's exponent field becomes all ones.
  @inline(__always) func setMMX(_ number: Int, _ value: UInt64) {
    s[Slot.x87Significand(number & 7)] = value
    s[Slot.x87SignExponent(number & 7)] = 0xffff
  }

  /// What every MMX instruction but EMMS does to the x87: TOP is 0, all registers are in use.
  @inline(__always) func enterMMX() {
    s[Slot.fpuTop] = 0
    s[Slot.ftw] = 0xff
  }

  /// The address of a 16-byte operand, #GP(0) when it has to be aligned and is not. Alignment is looked at before the
  /// segment is: an operand of SS that fails both is #GP, not #SS.
  @inline(__always)
  func vectorAddress(_ op: Op, aligned: Bool, write: Bool = false) -> UInt64? {
    if op.isPlainAddress {
      let at = plainAddress(op)
      return aligned && at & 15 != 0 ? misaligned() : at
    }
    if aligned && (effectiveOffset(op) &+ word(op.segmentSlot)) & 15 != 0 { return misaligned() }
    return address(op, 16, write: write)
  }

  @inline(never)
  private func misaligned() -> UInt64? {
    raiseProtection()
    return nil
  }

  /// The ModRM.rm operand of arithmetic: an XMM register, or 16 bytes of memory that must be aligned unless MXCSR.MM
  /// says otherwise.
  @inline(__always)
  func loadVector(_ op: Op) -> V128? {
    guard op.isMemory else { return xmm(op.rmNumber) }
    return loadVector(op, aligned: s[Slot.mxcsr] & MXCSR.misaligned == 0)
  }

  /// The ModRM.rm operand: an XMM register or 16 bytes of memory.
  @inline(__always)
  func loadVector(_ op: Op, aligned: Bool) -> V128? {
    guard op.isMemory else { return xmm(op.rmNumber) }
    guard let at = vectorAddress(op, aligned: aligned), let value = load128(at) else { return nil }
    return V128(value.low, value.high)
  }

  @inline(__always)
  func storeVector(_ op: Op, _ value: V128, aligned: Bool) -> Bool {
    guard op.isMemory else {
      setXMM(op.rmNumber, value)
      return true
    }
    guard let at = vectorAddress(op, aligned: aligned, write: true) else { return false }
    return store128(value[0], value[1], at)
  }

  /// The low bits of an XMM register, or as many of memory.
  @inline(__always)
  func loadScalar<T: FixedWidthInteger & UnsignedInteger>(_ op: Op, _ type: T.Type) -> T? {
    guard op.isMemory else { return T(truncatingIfNeeded: xmmLow(op.rmNumber)) }
    guard let at = address(op, MemoryLayout<T>.size) else { return nil }
    return load(T.self, at)
  }

  /// An MMX register, or 8 bytes of memory.
  @inline(__always)
  func loadMMX(_ op: Op) -> UInt64? {
    guard op.isMemory else { return mmx(op.rmNumber) }
    guard let at = address(op, 8) else { return nil }
    return load(UInt64.self, at)
  }

  /// 8 bytes of memory.
  @inline(__always)
  func storeWord(_ op: Op, _ value: UInt64) -> Bool {
    guard let at = address(op, 8, write: true) else { return false }
    return store(value, at)
  }

  /// Writes a general register with the operand size of REX.W.
  @inline(__always)
  func setGeneral(_ op: Op, _ number: Int, _ value: UInt64) {
    s[number] = op.rexW ? value : value & 0xffff_ffff
  }
}
