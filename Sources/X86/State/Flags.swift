/// The bits of RFLAGS (Intel SDM vol. 1, 3.4.3).
enum RFlags {
  static var cf: UInt64 { 1 << 0 }
  static var pf: UInt64 { 1 << 2 }
  static var af: UInt64 { 1 << 4 }
  static var zf: UInt64 { 1 << 6 }
  static var sf: UInt64 { 1 << 7 }
  static var tf: UInt64 { 1 << 8 }
  static var interrupt: UInt64 { 1 << 9 }
  static var df: UInt64 { 1 << 10 }
  static var of: UInt64 { 1 << 11 }
  static var iopl: UInt64 { 3 << 12 }
  static var nt: UInt64 { 1 << 14 }
  static var rf: UInt64 { 1 << 16 }
  static var vm: UInt64 { 1 << 17 }
  static var ac: UInt64 { 1 << 18 }
  static var vif: UInt64 { 1 << 19 }
  static var vip: UInt64 { 1 << 20 }
  static var id: UInt64 { 1 << 21 }
  /// CF, PF, AF, ZF, SF, OF: held lazily, in three words.
  static var status: UInt64 { 0x8d5 }
}

// The status flags are three words that any instruction can write with a few operations and no knowledge of who reads
// them: a word for ZF, one for SF and PF, one for the carries. Readers need not know which instruction wrote them.
extension CPU {
  @inline(__always) var cf: Bool {
    get { Int64(bitPattern: s[Slot.flagCarry]) < 0 }
    nonmutating set {
      let bit: UInt64 = newValue ? 0xc000_0000_0000_0000 : 0
      // Flipping CF flips bit 62 too, so that OF stays.
      let old = s[Slot.flagCarry]
      let flip = (old ^ bit) & 1 << 63
      s[Slot.flagCarry] = old ^ (flip | flip >> 1)
    }
  }
  @inline(__always) var zf: Bool { s[Slot.flagZero] == 0 }
  @inline(__always) var sf: Bool { Int64(bitPattern: s[Slot.flagSign]) < 0 }
  @inline(__always) var of: Bool {
    let carry = s[Slot.flagCarry]
    return Int64(bitPattern: carry ^ (carry &<< 1)) < 0
  }
  @inline(__always) var pf: Bool { parity(s[Slot.flagSign]) }
  @inline(__always) var af: Bool { s[Slot.flagCarry] & 8 != 0 }

  /// Even parity of bits 7:0.
  @inline(__always) func parity(_ value: UInt64) -> Bool { (value & 0xff).nonzeroBitCount & 1 == 0 }

  /// RFLAGS, all of it.
  var rflags: UInt64 {
    get { s[Slot.systemFlags] | statusFlags }
    nonmutating set {
      s[Slot.systemFlags] = newValue & ~RFlags.status | 2
      statusFlags = newValue
    }
  }

  /// CF, PF, AF, ZF, SF, OF at their places in RFLAGS; setting ignores other bits.
  var statusFlags: UInt64 {
    get {
      (cf ? RFlags.cf : 0) | (pf ? RFlags.pf : 0) | (af ? RFlags.af : 0) | (zf ? RFlags.zf : 0)
        | (sf ? RFlags.sf : 0) | (of ? RFlags.of : 0)
    }
    nonmutating set {
      s[Slot.flagZero] = newValue & RFlags.zf != 0 ? 0 : 1
      s[Slot.flagSign] = (newValue & RFlags.sf) << 56 | (newValue & RFlags.pf != 0 ? 0 : 1)
      setCarries(
        carry: newValue & RFlags.cf != 0, overflow: newValue & RFlags.of != 0, adjust: newValue & RFlags.af != 0)
    }
  }

  /// CF, OF and AF, each given.
  @inline(__always) func setCarries(carry: Bool, overflow: Bool, adjust: Bool = false) {
    s[Slot.flagCarry] =
      (carry ? 1 << 63 : 0) | (carry != overflow ? 1 << 62 : 0) | (adjust ? 8 : 0)
  }

  /// ZF, SF and PF from a result.
  @inline(__always) func setResultFlags<T: FixedWidthInteger & UnsignedInteger>(_ result: T) {
    let extended = signExtended(result)
    s[Slot.flagZero] = extended
    s[Slot.flagSign] = extended
  }

  /// CF, OF and AF from the vector of carries (borrows) out of each bit position.
  @inline(__always) func setCarryVector<T: FixedWidthInteger & UnsignedInteger>(_ carries: T) {
    let word = UInt64(truncatingIfNeeded: carries)
    let top = word &<< UInt64(64 - T.bitWidth)
    s[Slot.flagCarry] = top & 0xc000_0000_0000_0000 | word & 8
  }

  @inline(__always) func signExtended<T: FixedWidthInteger & UnsignedInteger>(_ value: T) -> UInt64 {
    switch T.bitWidth {
    case 8: UInt64(bitPattern: Int64(Int8(truncatingIfNeeded: value)))
    case 16: UInt64(bitPattern: Int64(Int16(truncatingIfNeeded: value)))
    case 32: UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: value)))
    default: UInt64(truncatingIfNeeded: value)
    }
  }

  /// The condition `code` (0 … 15) of Jcc, SETcc and CMOVcc (Intel SDM vol. 1, appendix B).
  @inline(__always) func condition(_ code: UInt8) -> Bool {
    let holds: Bool
    switch code >> 1 {
    case 0: holds = of
    case 1: holds = cf
    case 2: holds = zf
    case 3: holds = cf || zf
    case 4: holds = sf
    case 5: holds = pf
    case 6: holds = sf != of
    default: holds = zf || sf != of
    }
    return holds != (code & 1 != 0)
  }
}
