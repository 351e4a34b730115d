/// The part of the CPU's state that decoding and translation depend on, packed into `Slot.mode`. A block of decoded
/// instructions is only used in the mode it was decoded in.
enum Mode {
  /// Bits 1:0: 16-, 32- or 64-bit code.
  static var codeSizeMask: UInt64 { 3 }
  static var code16: UInt64 { 0 }
  static var code32: UInt64 { 1 }
  static var code64: UInt64 { 2 }
  /// CPL is 3.
  static var user: UInt64 { 1 << 2 }
  /// The stack pointer is ESP (SS.B), not SP; 64-bit code always uses RSP.
  static var stack32: UInt64 { 1 << 3 }
  /// CR0.PE and not virtual-8086 mode.
  static var protected: UInt64 { 1 << 4 }
  /// CS.limit is 0xffff_ffff (or does not count).
  static var wholeCodeSegment: UInt64 { 1 << 5 }
  /// ES, SS and DS have base 0, limit 0xffff_ffff and allow reading and writing: addresses need no check.
  static var flat: UInt64 { 1 << 6 }
  /// Paging is on.
  static var paging: UInt64 { 1 << 7 }
  /// CPL is 1 or 2.
  static var middleRing: UInt64 { 1 << 8 }
}

extension CPU {
  @inline(__always) var codeSize: UInt64 { s[Slot.mode] & Mode.codeSizeMask }

  /// The last offset of the code segment; that of 64-bit code is the last there is.
  @inline(__always) var codeLimit: UInt64 { s[Slot.codeLimit] }

  /// What a block is decoded under: the mode, and the limit of the code segment where it has one.
  var blockMode: UInt64 {
    let mode = s[Slot.mode]
    return mode & Mode.wholeCodeSegment != 0 ? mode : mode | codeLimit &<< 32
  }

  /// Derives CPL, the mode word, the TLB context and the translation key from the registers. To be called after every
  /// change of CR0, CR4, EFER, CS, SS, DS, ES, RFLAGS.VM or RFLAGS.AC, and at the end of `load(state)`.
  func modeChanged() {
    let efer = s[Slot.efer]
    let protected = isProtected && !isVirtual8086
    let cs = segmentAttributes(SegmentNumber.cs)
    let ss = segmentAttributes(SegmentNumber.ss)
    let level: UInt64 = isVirtual8086 && isProtected ? 3 : UInt64(ss >> 5 & 3)
    var mode: UInt64 = 0
    if efer & EFER.lma != 0 && cs & 1 << 13 != 0 {
      mode = Mode.code64 | Mode.stack32 | Mode.wholeCodeSegment | Mode.flat
    } else {
      if cs & 1 << 14 != 0 { mode |= Mode.code32 }
      if ss & 1 << 14 != 0 { mode |= Mode.stack32 }
      if segmentLimit(SegmentNumber.cs) == .max { mode |= Mode.wholeCodeSegment }
      if isFlat(SegmentNumber.ds), isFlat(SegmentNumber.es), isFlat(SegmentNumber.ss) { mode |= Mode.flat }
    }
    if level == 3 { mode |= Mode.user } else if level != 0 { mode |= Mode.middleRing }
    if protected { mode |= Mode.protected }
    if s[Slot.cr0] & CR0.pg != 0 { mode |= Mode.paging }
    if s[Slot.privilegeLevel] != level { s[SystemSlot.levelChanges] &+= 1 }
    s[Slot.privilegeLevel] = level
    s[Slot.mode] = mode
    // Ways from RIP to code depend on the segment's base and limit; 64-bit code has none, and other code no upper half.
    let is64 = mode & Mode.codeSizeMask == Mode.code64
    let codeBase = is64 ? 0 : segmentBase(SegmentNumber.cs)
    let codeLimit = is64 ? .max : UInt64(segmentLimit(SegmentNumber.cs))
    if s[Slot.codeBase] != codeBase || s[Slot.codeLimit] != codeLimit {
      s[Slot.codeBase] = codeBase
      s[Slot.codeLimit] = codeLimit
      newEpoch(AddressHalf.lower)
      noteCodeBase()
    }
    selectTLBContext()
    makeTranslationKey()
  }

  @inline(__always) func makeTranslationKey() {
    for half in 0..<2 { s[Slot.translationKey &+ half] = s[Slot.epoch &+ half] &<< 8 | s[Slot.mode] }
  }

  /// A present, writable, expand-up data segment of 4 GiB from 0.
  private func isFlat(_ number: Int) -> Bool {
    segmentBase(number) == 0 && segmentLimit(number) == .max && segmentAttributes(number) & 0x1_009e == 0x92
  }
}
