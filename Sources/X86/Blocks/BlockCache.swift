#if canImport(Glibc)
  internal import Glibc
#endif

/// One run of decoded instructions, from one page (or one instruction across two).
struct Block {
  /// The physical address of its first byte.
  var physical: UInt64 = 0
  /// The physical page of an instruction's second part, which may be the first one again; `noPage` when it does not
  /// cross pages.
  var secondPage = Block.noPage
  var rip: UInt64 = 0
  /// `CPU.blockMode`.
  var mode: UInt64 = 0
  /// Where its operations lie in the arena, and how many they are with those that end the block.
  var firstOp: Int32 = 0
  var opCount: Int32 = 0
  /// Bytes of code.
  var length: Int32 = 0
  /// It ends where it does because runs are to stop there.
  var isCut = false
  var isRetired = false
  /// The next block of the same bucket, and of the same (first, second) page; -1 ends the list.
  var nextInBucket: Int32 = -1
  var nextInPage: Int32 = -1
  var nextInSecondPage: Int32 = -1
  /// The next one whose RIP lies in a page of the same linear bucket.
  var nextInLinearBucket: Int32 = -1
  /// How often it is interpreted before it is translated (`.heat`).
  var heat: UInt64 = 0
  /// Where its host code is executed (`.translated`).
  var code: UInt64 = 0
  /// The first of the ways that lead straight to that code (`Translator.Binding`), by its number from 1 on; 0 for none.
  var firstBinding = 0

  /// No address of a page.
  static var noPage: UInt64 { 1 }
  var crossesPages: Bool { secondPage != Block.noPage }
}

/// Decoded code: blocks by physical address, with a direct way from RIP (the jump cache). All of it is plain memory.
final class BlockCache {
  static var arenaCapacity: Int { 1 << 20 }
  static let blockCapacity = 1 << 18
  static let bucketCount = 1 << 16
  static let linearBucketCount = 1 << 12

  private let cpu: CPU
  private let pageCount: Int
  /// Operations, and behind them all their instructions (`OperationPointer.decoded`).
  private let arena: OperationPointer
  private var used = 0
  private let blocks: UnsafeMutablePointer<Block>
  private var blockCount = 0
  /// By physical address and RIP, the first block + 1.
  private let buckets: UnsafeMutablePointer<Int32>
  /// The same by the page of RIP, with those too that have been retired.
  private let linearBuckets: UnsafeMutablePointer<Int32>
  /// Of some blocks RIP is not the linear address.
  private var hasSegmentedCode = false
  /// For each page of guest memory its first block + 1, and which 64-byte pieces of it blocks cover.
  private let pageBlocks: UnsafeMutablePointer<Int32>
  private let pageCover: UnsafeMutablePointer<UInt64>
  private let jumps: UnsafeMutablePointer<UInt64>
  private var sets = JumpCacheSets()
  /// One byte for each block: it has been entered since the footprint began.
  private let entered: UnsafeMutablePointer<UInt8>
  /// Translated code notes that it is entered: from the first footprint on.
  private(set) var notesEntries = false
  /// Counts the times that everything was dropped: pointers into the arena do not outlive it.
  private(set) var generation = 0
  /// The block that `find` returned last depends on a second page.
  private(set) var lastCrossesPages = false
  private var translator: Translator?
  /// Counts what is translated, where somebody wants to know.
  var meter: TranslationMeter?
  /// `Translator.interpreted`.
  private var interpreted: UInt64 = 0

  init(cpu: CPU, pageCount: Int) {
    self.cpu = cpu
    self.pageCount = pageCount
    arena = BlockCache.zeroed(2 * BlockCache.arenaCapacity)
    blocks = BlockCache.zeroed(BlockCache.blockCapacity)
    buckets = BlockCache.zeroed(BlockCache.bucketCount)
    linearBuckets = BlockCache.zeroed(BlockCache.linearBucketCount)
    entered = BlockCache.zeroed(BlockCache.blockCapacity)
    pageBlocks = BlockCache.zeroed(pageCount)
    pageCover = BlockCache.zeroed(pageCount)
    jumps = BlockCache.zeroed(JumpCache.sets * JumpCache.wordsPerSet)
    cpu[Slot.jumpCache] = UInt64(UInt(bitPattern: jumps))
    cpu[SystemSlot.blocks] = UInt64(UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()))
  }

  deinit {
    for pointer: UnsafeMutableRawPointer in [.init(arena), .init(blocks), .init(entered)] { free(pointer) }
    for pointer: UnsafeMutableRawPointer in [.init(buckets), .init(linearBuckets)] { free(pointer) }
    for pointer: UnsafeMutableRawPointer in [.init(pageBlocks), .init(pageCover), .init(jumps)] { free(pointer) }
  }

  /// Memory of zeros that costs nothing until it is touched.
  static func zeroed<T>(_ count: Int) -> UnsafeMutablePointer<T> {
    guard let memory = calloc(count, MemoryLayout<T>.stride) else { fatalError("out of memory") }
    return memory.bindMemory(to: T.self, capacity: count)
  }

  private func clear() {
    buckets.update(repeating: 0, count: BlockCache.bucketCount)
    linearBuckets.update(repeating: 0, count: BlockCache.linearBucketCount)
    hasSegmentedCode = false
    for entry in 0..<JumpCache.sets * JumpCache.entries {
      jumps[entry * JumpCache.wordsPerEntry + JumpCache.key] = .max
    }
  }

  /// Forgets all blocks.
  func flush() {
    guard blockCount > 0 else { return }
    noteEntered()
    for index in 0..<blockCount {
      forget(page: blocks[index].physical)
      if blocks[index].crossesPages { forget(page: blocks[index].secondPage) }
    }
    used = 0
    blockCount = 0
    generation += 1
    translator?.flush()
    clear()
  }

  /// A block that is hot: host code is made of it, where there can be any.
  func translate(_ head: OperationPointer) {
    guard let translator = translator ?? makeTranslator() else {
      head.pointee.handler = .entry
      return
    }
    if translator.isFull { flushTranslations() }
    let start = meter?.clock()
    let length = translator.translate(head: head)
    if let start { meter?.note(head, length, since: start) }
    guard length > 0 else {
      head.pointee.handler = .entry
      return
    }
    forEachJump(to: head) { $0[JumpCache.code] = head.block.pointee.code }
  }

  /// The jump cache's entries that lead to a block.
  private func forEachJump(to head: OperationPointer, _ body: (UnsafeMutablePointer<UInt64>) -> Void) {
    for set in 0..<JumpCache.sets {
      let entry = jumps + (set * JumpCache.wordsPerSet + JumpCache.offset(head.rip))
      if entry[JumpCache.head] == UInt64(UInt(bitPattern: head)) { body(entry) }
    }
  }

  /// `nil`, and no more blocks are to be translated, where there is no executable memory.
  private func makeTranslator() -> Translator? {
    translator = Translator(cpu: cpu)
    cpu[SystemSlot.translatedEntry] = translator?.entry ?? 0
    cpu[SystemSlot.familyEntry] = Translator.familyEntry
    if translator == nil { cpu[SystemSlot.translatesAfter] = 0 }
    interpreted = translator?.interpreted ?? 0
    forgetCodeInJumps()
    return translator
  }

  /// A way of translated code leads straight to where its branch is linked to from now on, if that is translated.
  func bind(_ slot: UnsafeMutablePointer<UInt64>, _ branch: OperationPointer) {
    if let target = branch.linked { translator?.bind(slot, to: target) }
  }

  /// Every block is interpreted anew.
  private func flushTranslations() {
    for index in 0..<blockCount {
      let head = arena + Int(blocks[index].firstOp)
      guard head.handler == .translated else { continue }
      head.pointee.handler = .heat
      blocks[index].heat = cpu[SystemSlot.translatesAfter]
    }
    translator?.flush()
    forgetCodeInJumps()
  }

  private func forgetCodeInJumps() {
    for entry in 0..<JumpCache.sets * JumpCache.entries {
      jumps[entry * JumpCache.wordsPerEntry + JumpCache.code] = interpreted
    }
  }

  /// The branch goes straight to the block at `target` from now on.
  func link(_ branch: OperationPointer, to target: OperationPointer) {
    branch.pointee.link = UInt64(UInt(bitPattern: target))
  }

  /// A footprint begins: from now on it is known which blocks are entered.
  func beginNotes() {
    if !notesEntries {
      notesEntries = true
      flushTranslations()
    }
    entered.update(repeating: 0, count: blockCount)
  }

  /// Adds the blocks that have been entered to the footprint that is being taken. Of one in a code segment with a base
  /// RIP is not the linear address; but then a footprint is everything (`CPU.noteCodeBase`).
  func noteEntered() {
    guard notesEntries, cpu[SystemSlot.footprint] != 0 else { return }
    // Between two steps of a debugger next to none have been: eight at a time.
    let words = UnsafeRawPointer(entered)
    for first in stride(from: 0, to: blockCount, by: 8) where words.load(fromByteOffset: first, as: UInt64.self) != 0 {
      for index in first..<min(first + 8, blockCount) where entered[index] != 0 {
        cpu.noteCode(blocks[index].rip, Int(blocks[index].length))
        entered[index] = 0
      }
    }
  }

  private func forget(page physical: UInt64) {
    guard let (_, page) = cpu.ram(physical) else { return }
    pageBlocks[page] = 0
    pageCover[page] = 0
    cpu.pageUse[page] &= ~PageUse.code
  }
}

// The jump cache's sets.
extension BlockCache {
  /// Where a CR3 leads to has changed, or may have, for every one: a new epoch.
  func forgetSpaces() -> UInt64 { sets.forgetAll(cr3: cpu[Slot.cr3]) }

  /// CR3 has been loaded in long mode; the epoch under which ways from RIP to code are known there.
  func enterSpace() -> UInt64 {
    let epoch = sets.enter(cr3: cpu[Slot.cr3])
    cpu[Slot.jumpCache] = UInt64(UInt(bitPattern: jumps + sets.current * JumpCache.wordsPerSet))
    return epoch
  }
}

// Lookup.
extension BlockCache {
  private func linearBucket(_ rip: UInt64) -> Int {
    Int(truncatingIfNeeded: rip >> 12 & UInt64(BlockCache.linearBucketCount - 1))
  }

  private func bucket(_ physical: UInt64, _ rip: UInt64) -> Int {
    Int(truncatingIfNeeded: (physical ^ physical >> 14 ^ rip >> 20) & UInt64(BlockCache.bucketCount - 1))
  }

  /// The first operation of the block at RIP, decoded if need be; `nil` when fetching or decoding raised a fault.
  func find() -> OperationPointer? {
    let rip = cpu.rip
    let linear = cpu.codeLinear(rip)
    guard cpu.isInCodeSegment(rip), let physical = cpu.fetchAddress(linear) else { return nil }
    let mode = cpu.blockMode
    var index = buckets[bucket(physical, rip)] - 1
    while index >= 0 {
      let block = blocks + Int(index)
      if block.pointee.physical == physical && block.pointee.rip == rip && block.pointee.mode == mode
        && holds(block, linear)
      {
        lastCrossesPages = block.pointee.crossesPages
        entered[Int(index)] = 1
        return remember(rip, arena + Int(block.pointee.firstOp))
      }
      index = block.pointee.nextInBucket
    }
    return build(linear: linear, physical: physical).map { remember(rip, $0) }
  }

  /// An instruction across two pages is still what the block says only when the second page is the same.
  private func holds(_ block: UnsafeMutablePointer<Block>, _ linear: UInt64) -> Bool {
    if !block.pointee.crossesPages { return true }
    // A fault here is raised again, properly, when the block is built anew.
    let second = cpu.fetchAddress(cpu.nextLinear(linear & ~0xfff, 0x1000))
    cpu[Slot.faultPending] = 0
    return second.map { $0 & ~0xfff } == block.pointee.secondPage
  }

  private func remember(_ rip: UInt64, _ op: OperationPointer) -> OperationPointer {
    let entry = jumps + (sets.current * JumpCache.wordsPerSet + JumpCache.offset(rip))
    entry[JumpCache.rip] = rip
    entry[JumpCache.key] = cpu[Slot.translationKey]
    entry[JumpCache.head] = UInt64(UInt(bitPattern: op))
    entry[JumpCache.code] = op.handler == .translated ? op.block.pointee.code : interpreted
    return op
  }

  /// Decodes the block at RIP.
  private func build(linear: UInt64, physical: UInt64) -> OperationPointer? {
    if used + BlockBuilder.capacity > BlockCache.arenaCapacity || blockCount == BlockCache.blockCapacity { flush() }
    let first = arena + used
    var builder = BlockBuilder(
      cpu: cpu, first: first, block: blocks + blockCount, entered: entered + blockCount)
    guard builder.build(linear: linear, physical: physical) else { return nil }
    var block = Block()
    block.physical = physical
    block.secondPage = builder.secondPage
    block.rip = cpu.rip
    block.mode = cpu.blockMode
    block.firstOp = Int32(used)
    block.opCount = Int32(builder.opCount)
    block.length = Int32(builder.length)
    block.isCut = builder.isCut
    block.heat = cpu[SystemSlot.translatesAfter]
    used += builder.opCount
    lastCrossesPages = block.crossesPages
    insert(block)
    entered[blockCount - 1] = 1
    return first
  }

  private func insert(_ made: Block) {
    var block = made
    let index = Int32(blockCount)
    blockCount += 1
    let bucket = bucket(block.physical, block.rip)
    block.nextInBucket = buckets[bucket] - 1
    buckets[bucket] = index + 1
    let linearBucket = linearBucket(block.rip)
    block.nextInLinearBucket = linearBuckets[linearBucket] - 1
    linearBuckets[linearBucket] = index + 1
    if cpu[Slot.codeBase] != 0 { hasSegmentedCode = true }
    let firstPage = pageIndex(block.physical)
    if let page = firstPage {
      block.nextInPage = pageBlocks[page] - 1
      pageBlocks[page] = index + 1
      pageCover[page] |= cover(bytes(ofFirstPage: block))
      cpu.watch(page: page, physical: block.physical, as: PageUse.code)
    }
    if block.crossesPages, let page = pageIndex(block.secondPage) {
      // In one list once, where both pages are the same.
      if page != firstPage {
        block.nextInSecondPage = pageBlocks[page] - 1
        pageBlocks[page] = index + 1
      }
      pageCover[page] |= cover(BlockCache.secondPageBytes)
      cpu.watch(page: page, physical: block.secondPage, as: PageUse.code)
    }
    blocks[Int(index)] = block
  }

  private func pageIndex(_ physical: UInt64) -> Int? { cpu.ram(physical)?.page }

  private func bytes(ofFirstPage block: Block) -> Range<Int> {
    let offset = Int(block.physical & 0xfff)
    return offset..<min(offset + Int(block.length), 0x1000)
  }

  /// No instruction has more in its second page.
  private static var secondPageBytes: Range<Int> { 0..<16 }

  /// The 64-byte pieces of a page that some bytes of it touch.
  private func cover(_ bytes: Range<Int>) -> UInt64 {
    guard !bytes.isEmpty else { return 0 }
    let (first, last) = (bytes.lowerBound >> 6, (bytes.upperBound - 1) >> 6)
    return (UInt64.max >> UInt64(63 - (last - first))) << UInt64(first)
  }
}

// Invalidation.
extension BlockCache {
  /// Forgets the blocks with an instruction at a linear address, and those that end there for its sake: runs are to
  /// stop there from now on, or no more. None may be being executed.
  func invalidate(linear: UInt64) {
    // There are few programs of which that has to be found out.
    guard !hasSegmentedCode else { return flush() }
    let bucket = linearBucket(linear)
    var index = linearBuckets[bucket] - 1
    var kept: Int32 = 0
    while index >= 0 {
      let block = blocks + Int(index), next = block.pointee.nextInLinearBucket
      let offset = linear &- block.pointee.rip, last = UInt64(block.pointee.length) &- 1
      let isTouched = offset <= last || block.pointee.isCut && offset == last &+ 1
      if isTouched, !block.pointee.isRetired, let (_, page) = cpu.ram(block.pointee.physical) {
        invalidate(page: page, offset: Int((block.pointee.physical + min(offset, last)) & 0xfff), count: 1)
      }
      // Retired ones are of no use here any more.
      if !block.pointee.isRetired {
        block.pointee.nextInLinearBucket = kept - 1
        kept = index + 1
      }
      index = next
    }
    linearBuckets[bucket] = kept
  }

  /// Forgets the blocks that were decoded from these bytes of a page of guest memory. Operations of theirs that are
  /// being executed, or that others are linked to, become `.stale`: whoever comes to one looks its RIP up again.
  func invalidate(page: Int, offset: Int, count: Int) {
    let stored = offset..<(offset + count)
    guard pageCover[page] & cover(stored) != 0 else { return }
    var index = pageBlocks[page] - 1
    var kept: UInt64 = 0
    var previous: Int32 = -1
    while index >= 0 {
      let block = blocks + Int(index)
      let next = isListedAsSecond(block, page) ? block.pointee.nextInSecondPage : block.pointee.nextInPage
      let (first, second) = bytes(of: block, in: page)
      if first.overlaps(stored) || second.overlaps(stored) {
        retire(block, index)
        unlinkFromOtherPage(index, block, page)
        setNext(page, previous, next)
      } else {
        kept |= cover(first) | cover(second)
        previous = index
      }
      index = next
    }
    pageCover[page] = kept
    if pageBlocks[page] == 0 { cpu.pageUse[page] &= ~PageUse.code }
  }

  /// The bytes of a page that a block was decoded from, as its first and as its second page.
  private func bytes(of block: UnsafeMutablePointer<Block>, in page: Int) -> (first: Range<Int>, second: Range<Int>) {
    let first = isListedAsSecond(block, page) ? 0..<0 : bytes(ofFirstPage: block.pointee)
    let isSecond = block.pointee.crossesPages && pageIndex(block.pointee.secondPage) == page
    return (first, isSecond ? BlockCache.secondPageBytes : 0..<0)
  }

  /// The page's list goes on at `nextInSecondPage`.
  private func isListedAsSecond(_ block: UnsafeMutablePointer<Block>, _ page: Int) -> Bool {
    block.pointee.crossesPages && pageIndex(block.pointee.physical) != page
  }

  /// Makes `next` follow `previous` (or lead, for -1) in a page's list.
  private func setNext(_ page: Int, _ previous: Int32, _ next: Int32) {
    guard previous >= 0 else {
      pageBlocks[page] = next + 1
      return
    }
    let block = blocks + Int(previous)
    if isListedAsSecond(block, page) {
      block.pointee.nextInSecondPage = next
    } else {
      block.pointee.nextInPage = next
    }
  }

  /// A block across two pages stands in two lists: takes it out of the one that is not this page's.
  private func unlinkFromOtherPage(_ index: Int32, _ block: UnsafeMutablePointer<Block>, _ page: Int) {
    guard block.pointee.crossesPages else { return }
    let isSecond = isListedAsSecond(block, page)
    let other = pageIndex(isSecond ? block.pointee.physical : block.pointee.secondPage)
    guard let other, other != page else { return }
    var previous: Int32 = -1
    var at = pageBlocks[other] - 1
    while at >= 0 {
      let here = blocks + Int(at)
      let next = isListedAsSecond(here, other) ? here.pointee.nextInSecondPage : here.pointee.nextInPage
      if at == index {
        setNext(other, previous, next)
        return
      }
      previous = at
      at = next
    }
  }

  /// Takes a block out of its bucket and makes its operations stale.
  private func retire(_ block: UnsafeMutablePointer<Block>, _ index: Int32) {
    let bucket = bucket(block.pointee.physical, block.pointee.rip)
    if buckets[bucket] == index + 1 {
      buckets[bucket] = block.pointee.nextInBucket + 1
    } else {
      var at = buckets[bucket] - 1
      while at >= 0 {
        let here = blocks + Int(at)
        if here.pointee.nextInBucket == index {
          here.pointee.nextInBucket = block.pointee.nextInBucket
          break
        }
        at = here.pointee.nextInBucket
      }
    }
    block.pointee.isRetired = true
    let first = arena + Int(block.pointee.firstOp)
    translator?.unbind(first)
    // No direct way must lead to a stale operation: it would lead there again.
    forEachJump(to: first) { $0[JumpCache.key] = .max }
    for number in 0..<Int(block.pointee.opCount) where (first + number).handler != .dispatch {
      (first + number).pointee.handler = .stale
    }
  }
}
