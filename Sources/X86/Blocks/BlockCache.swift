/// Decoded code: blocks by physical address, with a direct way from RIP (the jump cache), and the host code made of
/// them. All but that is plain memory.
final class BlockCache {
  let cpu: CPU
  var store: BlockStore
  let index: BlockIndex
  let pages: PageBlocks
  var notes = EntryNotes()
  let jumps: JumpCache
  /// Of some blocks RIP is not the linear address.
  var hasSegmentedCode = false
  /// Counts the times that everything was dropped: pointers to blocks and operations do not outlive it.
  private(set) var generation = 0
  /// The block that `find` returned last depends on a second page.
  var lastCrossesPages = false
  var translator: Translator?
  /// Counts what is translated, where somebody wants to know.
  var meter: TranslationMeter?
  /// `Translator.interpreted`.
  var interpreted: UInt64 = 0

  init(cpu: CPU, pageCount: Int) {
    self.cpu = cpu
    store = BlockStore()
    index = BlockIndex(of: store)
    pages = PageBlocks(of: store, pageCount: pageCount)
    jumps = JumpCache(cpu: cpu)
    cpu[SystemSlot.blocks] = UInt64(UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()))
  }

  /// Forgets all blocks.
  func flush() {
    guard store.count > 0 else { return }
    noteEntered()
    for number in 0..<store.count {
      let block = store.blocks[number]
      pages.clear(pagesOf: block)
      for page in [block.pageNumber, block.secondPageNumber] where page >= 0 {
        cpu.pageUse[Int(page)] &= ~PageUse.code
      }
    }
    store.clear()
    generation += 1
    translator?.flush()
    index.clear()
    hasSegmentedCode = false
    jumps.clear()
  }
}

// Notes for footprints.
extension BlockCache {
  /// A footprint begins: from now on it is known which blocks are entered.
  func beginNotes() {
    if !notes.areTakenByCode {
      notes.areTakenByCode = true
      flushTranslations()
    }
    notes.clear(store.count)
  }

  /// Adds the blocks that have been entered to the footprint that is being taken. Of one in a code segment with a base
  /// RIP is not the linear address; but then a footprint is everything (`CPU.noteCodeBase`).
  func noteEntered() {
    guard notes.areTakenByCode, cpu[SystemSlot.footprint] != 0 else { return }
    let blocks = store.blocks
    notes.take(store.count) { cpu.noteCode(blocks[$0].rip, Int(blocks[$0].length)) }
  }
}
