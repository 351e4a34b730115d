/// What the CPU wants operands in memory to be aligned to.
enum Alignment {
  /// Of an operand, or of several that are accessed together, of `count` bytes, as on AMD's processors: their size, for
  /// the x87's 10 bytes the significand's, for its environment and registers a word's, for FXSAVE's area a
  /// doubleword's. Other areas have none.
  @inline(__always) static func natural(_ count: Int) -> Int {
    switch count {
    case 2, 4, 8, 16: count
    case 10: 8
    case 14, 94: 2
    case 28, 108, 512: 4
    default: 1
    }
  }
}

// Alignment checks: #AC at CPL 3 where CR0.AM and RFLAGS.AC ask for them (Intel SDM vol. 3, 6.15; AMD APM vol. 2,
// 8.2.18). `TLB.alignedUser` is in use exactly then.
extension CPU {
  /// An access of the current instruction may be at this address; false when it raised #AC.
  @inline(__always)
  func isAligned(_ linear: UInt64, _ unit: Int) -> Bool {
    linear & UInt64(truncatingIfNeeded: unit &- 1) == 0 || !checksAlignment
      || raise(
        ExceptionVector.alignmentCheck, errorCode: 0)
  }

  var checksAlignment: Bool { s[Slot.tlb] == tlbStart(TLB.alignedUser) }

  /// For the parts of an operand whose alignment has been looked at as a whole.
  func withoutAlignmentChecks<T>(_ body: () -> T) -> T {
    guard checksAlignment else { return body() }
    let saved = s[Slot.tlb]
    s[Slot.tlb] = tlbStart(TLB.user)
    defer { s[Slot.tlb] = saved }
    return body()
  }
}
