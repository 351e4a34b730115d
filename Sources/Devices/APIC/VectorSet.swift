/// A bit for each of the 256 vectors: IRR, ISR or TMR.
struct VectorSet: StatePart {
  private var words: SIMD4<UInt64> = .zero

  subscript(_ vector: UInt8) -> Bool {
    get { words[Int(vector >> 6)] >> UInt64(vector & 63) & 1 != 0 }
    set {
      let bit: UInt64 = 1 << UInt64(vector & 63)
      if newValue { words[Int(vector >> 6)] |= bit } else { words[Int(vector >> 6)] &= ~bit }
    }
  }

  /// The largest vector in the set: the highest priority.
  var highest: UInt8? {
    for index in (0..<4).reversed() where words[index] != 0 {
      return UInt8(index * 64 + 63 - words[index].leadingZeroBitCount)
    }
    return nil
  }

  /// The 32 bits of vectors 32n to 32n+31.
  func word(_ number: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: words[number >> 1 & 3] >> (number & 1 != 0 ? 32 : 0))
  }

  mutating func code(with coder: inout StateCoder) {
    for index in 0..<4 { coder.code(&words[index]) }
  }
}
