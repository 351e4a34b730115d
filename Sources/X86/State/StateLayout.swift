/// What host code takes for granted about the places of words and fields, because it has them built in. Looked at once,
/// before the first block of state is made.
enum StateLayout {
  /// The parts of the state block: first word, number of words.
  private static let parts: [(start: Int, count: Int)] =
    [
      (Slot.gpr, 16), (Slot.zero, 1), (Slot.segmentBase, 6), (Slot.rip, 1), (Slot.flagZero, 1), (Slot.flagSign, 1),
      (Slot.flagCarry, 1), (Slot.systemFlags, 1), (Slot.remaining, 1), (Slot.limit, 1), (Slot.tlb, 1),
      (Slot.translationKey, 2), (Slot.segmentLimit, 6), (Slot.segmentAttributes, 6), (Slot.segmentSelector, 6),
      (Slot.ldtr, 4), (Slot.tr, 4), (Slot.gdtr, 2), (Slot.idtr, 2), (Slot.cr0, 1), (Slot.cr2, 1), (Slot.cr3, 1),
      (Slot.cr4, 1), (Slot.cr8, 1), (Slot.xcr0, 1), (Slot.dr, 8), (Slot.efer, 1), (Slot.mxcsr, 1),
      (Slot.x87Registers, 16), (Slot.xmm, 32), (Slot.exitKind, 1), (Slot.mode, 1),
      (Slot.epoch, 2), (Slot.privilegeLevel, 1), (Slot.kick, 1), (Slot.codeBase, 1), (Slot.regionCount, 1),
      (Slot.regions, 8), (Slot.dirtyBitmap, 1), (Slot.pageUse, 1), (Slot.core, 1), (Slot.codeLimit, 1),
      (Slot.scratchOp, 1), (Slot.jumpCache, 2), (Slot.cachedHalves, 1), (Slot.replies, Slot.replyCapacity),
      (Slot.systemScratch, Slot.undefinedRules - Slot.systemScratch), (Slot.undefinedRules, 32),
      (Slot.undefinedTraits, 1), (Slot.longDoubleShift, 1), (Slot.approximatesCoarsely, 1), (Slot.repeatFlags, 1),
      (Slot.tlbEntries, 4 * TLB.wordsPerContext), (Slot.fetchTLB, 2 * FetchTLB.wordsPerContext),
    ]

  /// Stops the program where something is not as it has to be.
  static let check: Void = {
    var end = 0
    for part in parts.sorted(by: { $0.start < $1.start }) {
      precondition(part.start >= end, "two parts of the state block have word \(part.start)")
      end = part.start + part.count
    }
    precondition(end == Slot.count, "the state block is not as long as its parts")
    precondition(8 * Slot.segmentBase < 256 && 8 * (Slot.segmentBase + 5) < 256, "a segment's base has no byte offset")
    precondition(8 * Slot.count <= Int(Int32.max), "an instruction reaches all of the state block")
    precondition(8 * Slot.zero == 128, "the decoder's register that there is none of")
    precondition(MemoryLayout<Handler>.size == 1, "host code compares handlers as bytes")
    precondition(MemoryLayout<Instruction>.stride == 40, "instructions are plain data")
    precondition(MemoryLayout<Operation>.stride == 40, "instructions lie as far behind as the operations are long")
    precondition(Leaving.mask < 64, "the address of an operation has room for why host code was left")
    for entries in [TLB.entries, JumpCache.entries] { precondition(entries & (entries - 1) == 0, "entries are masked") }
    precondition(TLB.wordsPerEntry == 4 && JumpCache.wordsPerEntry == 4, "entries are 32 bytes")
    precondition(TLB.invalid & TLB.watched == 0 && TLB.invalid < 0x1000, "marks in a page's address are apart")
  }()
}
