/// PCMPESTRM, PCMPESTRI, PCMPISTRM, PCMPISTRI (Intel SDM vol. 2, 4.1).
struct StringComparison {
  let control: UInt8

  private var isWord: Bool { control & 1 != 0 }
  private var isSigned: Bool { control & 2 != 0 }
  var count: Int { isWord ? 8 : 16 }

  func element(_ value: V128, _ index: Int) -> Int32 {
    if isWord { return isSigned ? Int32(value.i16[index]) : Int32(value.u16[index]) }
    return isSigned ? Int32(value.i8[index]) : Int32(value.u8[index])
  }

  /// The number of elements before the first zero.
  func implicitLength(_ value: V128) -> Int {
    for index in 0..<count where element(value, index) == 0 { return index }
    return count
  }

  /// A length register's magnitude, at most the number of elements.
  func explicitLength(_ value: Int64) -> Int { Int(min(value.magnitude, UInt64(count))) }

  /// The result before it becomes an index or a mask: a bit for each element of `b`.
  func compare(_ a: V128, _ lengthA: Int, _ b: V128, _ lengthB: Int) -> UInt32 {
    var bits: UInt32 = 0
    for index in 0..<count where matches(a, lengthA, b, lengthB, index) { bits |= 1 << UInt32(index) }
    return polarized(bits, lengthB)
  }

  private func matches(_ a: V128, _ lengthA: Int, _ b: V128, _ lengthB: Int, _ index: Int) -> Bool {
    switch control >> 2 & 3 {
    case 0:
      guard index < lengthB else { return false }
      return (0..<lengthA).contains { element(a, $0) == element(b, index) }
    case 1:
      guard index < lengthB else { return false }
      return stride(from: 0, to: lengthA - 1, by: 2).contains {
        element(a, $0) <= element(b, index) && element(b, index) <= element(a, $0 + 1)
      }
    case 2:
      if index >= lengthA && index >= lengthB { return true }
      return index < lengthA && index < lengthB && element(a, index) == element(b, index)
    default:
      // Every element of `a` that still has a place from here on, until the end of the register.
      return (0..<min(lengthA, count - index)).allSatisfy {
        index + $0 < lengthB && element(a, $0) == element(b, index + $0)
      }
    }
  }

  private func polarized(_ bits: UInt32, _ lengthB: Int) -> UInt32 {
    let all = UInt32(1) << UInt32(count) - 1
    switch control >> 4 & 3 {
    case 1: return ~bits & all
    case 3: return bits ^ (UInt32(1) << UInt32(lengthB) - 1)
    default: return bits
    }
  }

  func index(_ bits: UInt32) -> UInt64 {
    if bits == 0 { return UInt64(count) }
    return UInt64(control & 0x40 != 0 ? 31 - bits.leadingZeroBitCount : bits.trailingZeroBitCount)
  }

  func mask(_ bits: UInt32) -> V128 {
    if control & 0x40 == 0 { return V128(low: UInt64(bits)) }
    if isWord {
      var lanes = SIMD8<UInt16>()
      for lane in 0..<8 where bits >> UInt32(lane) & 1 != 0 { lanes[lane] = 0xffff }
      return v128(lanes)
    }
    var lanes = SIMD16<UInt8>()
    for lane in 0..<16 where bits >> UInt32(lane) & 1 != 0 { lanes[lane] = 0xff }
    return v128(lanes)
  }
}

extension CPU {
  func executeStringCompare(_ op: Op) -> Bool {
    guard let b = loadVector(op, aligned: false) else { return false }
    let a = xmm(op.regNumber)
    let comparison = StringComparison(control: UInt8(truncatingIfNeeded: op.immediate))
    let isImplicit = op.opcode & 2 != 0
    let lengthA = isImplicit ? comparison.implicitLength(a) : comparison.explicitLength(lengthRegister(op, GPR.rax))
    let lengthB = isImplicit ? comparison.implicitLength(b) : comparison.explicitLength(lengthRegister(op, GPR.rdx))
    let bits = comparison.compare(a, lengthA, b, lengthB)
    if op.opcode & 1 != 0 {
      s[GPR.rcx] = comparison.index(bits)
    } else {
      setXMM(0, comparison.mask(bits))
    }
    statusFlags =
      (bits != 0 ? RFlags.cf : 0) | (lengthB < comparison.count ? RFlags.zf : 0)
      | (lengthA < comparison.count ? RFlags.sf : 0) | (bits & 1 != 0 ? RFlags.of : 0)
    return true
  }

  private func lengthRegister(_ op: Op, _ number: Int) -> Int64 {
    op.rexW ? Int64(bitPattern: s[number]) : Int64(Int32(truncatingIfNeeded: s[number]))
  }
}
