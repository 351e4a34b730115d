/// The translation cache for data: three direct-mapped contexts of 1024 entries, each entry four words, and one that
/// stays empty.
///
/// It never shows: a write to a page that a cached walk has read flushes it, and those of the other vCPUs on the same
/// memory (`PageUse.table`), so that a run is a function of registers and memory alone, wherever it was started.
enum TLB {
  static var entries: Int { 1024 }
  static var wordsPerEntry: Int { 4 }
  /// Entries, then a log of the filled ones: their count and up to 255 of their word offsets.
  static var wordsPerContext: Int { 4096 + 256 }
  static var logCapacity: UInt64 { 255 }
  static var logCount: Int { 4096 }

  /// The linear page that loads, or stores, may access through the entry; `invalid` for none.
  static var readTag: Int { 0 }
  static var writeTag: Int { 1 }
  /// In both tags: the fast way is closed, because a debugger watches bytes of the page. This bit and that of `invalid`
  /// are none that tell how an address is aligned (`BlockTranslator.compareTag`).
  static var watched: UInt64 { 0x400 }
  /// Host address minus linear address.
  static var addend: Int { 2 }
  /// Physical page and the bits below.
  static var info: Int { 3 }
  static var invalid: UInt64 { 0x800 }
  /// The walk found the page writable and dirty: a store needs no other walk.
  static var infoWritable: UInt64 { 1 }
  static var infoGlobal: UInt64 { 2 }

  /// Contexts: supervisor under SMAP, supervisor that may reach user pages, user.
  static var supervisorStrict: Int { 0 }
  static var supervisor: Int { 1 }
  static var user: Int { 2 }
  /// User with alignment checks: never filled, so that every access takes the slow way, which looks (`isAligned`). What
  /// it finds is kept in `user`.
  static var alignedUser: Int { 3 }

  /// Pages 8 MiB apart have entries of their own: programs copy between large buffers. So have neighbours, always: an
  /// access over a page's end is found out by the tag alone, which is the page of its last byte, in the entry of its
  /// first. The upper bits change nine of the ten bits of the number, and from 1023 to 0 all ten change.
  @inline(__always) static func offset(_ linear: UInt64) -> Int {
    let low = UInt32(truncatingIfNeeded: linear)
    return Int(truncatingIfNeeded: ((low ^ low &>> 11) &>> 10) & 0xffc)
  }
}

/// The translation cache for code: two contexts (supervisor, user) of 256 entries: linear page, physical page.
enum FetchTLB {
  static var wordsPerContext: Int { 512 }
  @inline(__always) static func offset(_ linear: UInt64) -> Int {
    Int(truncatingIfNeeded: (linear &>> 11) & 0x1fe)
  }
}

extension CPU {
  /// Chooses the TLB context that data accesses of the current instruction go through.
  func selectTLBContext() {
    let context: Int
    if s[Slot.privilegeLevel] == 3 {
      let checks = s[Slot.cr0] & CR0.am != 0 && s[Slot.systemFlags] & RFlags.ac != 0
      context = checks ? TLB.alignedUser : TLB.user
    } else if s[Slot.cr4] & CR4.smap != 0 && s[Slot.systemFlags] & RFlags.ac == 0 {
      context = TLB.supervisorStrict
    } else {
      context = TLB.supervisor
    }
    s[Slot.tlb] = tlbStart(context)
  }

  /// The word index of a context's first entry.
  @inline(__always) func tlbStart(_ context: Int) -> UInt64 {
    UInt64(Slot.tlbEntries &+ context &* TLB.wordsPerContext)
  }

  /// Makes a new block's translation caches empty, and the context without entries that.
  func clearTLB() {
    for context in 0...TLB.alignedUser {
      let base = s + Int(tlbStart(context))
      for index in stride(from: 0, to: TLB.logCount, by: TLB.wordsPerEntry) { invalidate(base + index) }
    }
    for index in stride(from: Slot.fetchTLB, to: Slot.count, by: 2) { s[index] = TLB.invalid }
  }

  /// Drops all translations.
  func flushTLB() {
    forgetTranslations(AddressHalf.lower)
    forgetTranslations(AddressHalf.upper)
  }

  /// Drops the translations of a half of the addresses.
  func forgetTranslations(_ half: Int) {
    flush(half, leaving: nil)
    newEpoch(half)
  }

  /// Drops the translations for data.
  func forgetData() {
    forgetData(AddressHalf.lower, leaving: nil)
    forgetData(AddressHalf.upper, leaving: nil)
  }

  /// Drops what CR3, which has just been loaded, no longer leads to. What the new tables map by the same tables as the
  /// old ones stays: nobody can tell.
  func flushTLB(leaving oldCR3: UInt64) {
    // Outside long mode the four entries at the top of PAE paging are loaded with CR3: the same one may lead elsewhere.
    guard isLongMode else {
      flush(AddressHalf.lower, leaving: oldCR3)
      return newEpoch(AddressHalf.lower)
    }
    let hasSameUpperHalf = withCore { $0.jumps.enterSpace() }
    if (oldCR3 ^ s[Slot.cr3]) & PageEntry.address != 0 { flush(AddressHalf.lower, leaving: nil) }
    if !hasSameUpperHalf { flush(AddressHalf.upper, leaving: nil) }
    makeTranslationKey()
  }

  /// Drops the translations of one linear page (INVLPG). Ways from RIP to code hold as long as the tables do.
  func flushTLB(page linear: UInt64) {
    for context in 0..<3 {
      invalidate(s + (Slot.tlbEntries + context * TLB.wordsPerContext + TLB.offset(linear)))
    }
    for context in 0..<2 {
      s[Slot.fetchTLB + context * FetchTLB.wordsPerContext + FetchTLB.offset(linear)] = TLB.invalid
    }
  }

  /// Ways from RIP to code that were cached so far no longer hold in a half of the addresses, in any address space.
  func newEpoch(_ half: Int) {
    withCore { $0.jumps.forget(half) }
    makeTranslationKey()
  }

  /// Drops the translations of a half of the addresses for data and code.
  private func flush(_ half: Int, leaving oldCR3: UInt64?) {
    forgetData(half, leaving: oldCR3)
    guard s[Slot.cachedHalves] & 4 &<< UInt64(half) != 0 else { return }
    s[Slot.cachedHalves] &= ~(4 &<< UInt64(half))
    for index in stride(from: Slot.fetchTLB, to: Slot.count, by: 2) where AddressHalf.of(s[index]) == half {
      s[index] = TLB.invalid
    }
  }

  /// Those for data. Of the lower half, outside long mode, global pages stay that the tables map by the same entries as
  /// those of the CR3 that has been left.
  private func forgetData(_ half: Int, leaving oldCR3: UInt64?) {
    guard s[Slot.cachedHalves] & 1 &<< UInt64(half) != 0 else { return }
    var stays = false
    for context in 0..<3 {
      flush(context: context) { entry in
        let linear = entry[TLB.readTag] & ~0xfff
        if AddressHalf.of(linear) != half { return true }
        guard let oldCR3, entry[TLB.info] & TLB.infoGlobal != 0,
          topEntry(oldCR3, linear) == topEntry(s[Slot.cr3], linear)
        else { return false }
        stays = true
        return true
      }
    }
    if stays {
      watchTable(s[Slot.cr3], for: 0, isRoot: false)
    } else {
      s[Slot.cachedHalves] &= ~(1 &<< UInt64(half))
    }
  }

  private func invalidate(_ entry: UnsafeMutablePointer<UInt64>) {
    entry[TLB.readTag] = TLB.invalid
    entry[TLB.writeTag] = TLB.invalid
    entry[TLB.info] = 0
  }

  @inline(__always)
  private func flush(context: Int, keeping: (UnsafeMutablePointer<UInt64>) -> Bool) {
    let base = s + (Slot.tlbEntries + context * TLB.wordsPerContext)
    let count = base[TLB.logCount]
    if count > TLB.logCapacity { return flushAll(base, keeping: keeping) }
    var kept: UInt64 = 0
    for number in 0..<Int(count) {
      let offset = base[TLB.logCount + 1 + number]
      let entry = base + Int(offset)
      if keeping(entry) {
        base[TLB.logCount + 1 + Int(kept)] = offset
        kept += 1
      } else {
        invalidate(entry)
      }
    }
    base[TLB.logCount] = kept
  }

  /// The same where there are more entries than the log holds.
  @inline(__always)
  private func flushAll(_ base: UnsafeMutablePointer<UInt64>, keeping: (UnsafeMutablePointer<UInt64>) -> Bool) {
    base[TLB.logCount] = 0
    for offset in stride(from: 0, to: TLB.logCount, by: TLB.wordsPerEntry) {
      let entry = base + offset
      if entry[TLB.readTag] == TLB.invalid { continue }
      if keeping(entry) { log(entry, in: base) } else { invalidate(entry) }
    }
  }

  /// Notes an entry that is filled.
  @inline(__always)
  private func log(_ entry: UnsafeMutablePointer<UInt64>, in base: UnsafeMutablePointer<UInt64>) {
    let count = base[TLB.logCount]
    if count < TLB.logCapacity { base[TLB.logCount + 1 + Int(count)] = UInt64(entry - base) }
    if count <= TLB.logCapacity { base[TLB.logCount] = count + 1 }
  }

  /// Makes every store look at `pageUse` and the dirty set again, without another walk.
  func dropWriteTags() {
    forEachCachedEntry { $0[TLB.writeTag] = TLB.invalid }
  }

  /// The same for one physical page.
  func dropWriteTags(physicalPage: UInt64) {
    forEachCachedEntry { entry in
      if entry[TLB.info] & ~0xfff == physicalPage { entry[TLB.writeTag] = TLB.invalid }
    }
  }

  @inline(__always) private func forEachCachedEntry(_ body: (UnsafeMutablePointer<UInt64>) -> Void) {
    for context in 0..<3 {
      let base = s + (Slot.tlbEntries + context * TLB.wordsPerContext)
      let count = base[TLB.logCount]
      if count > TLB.logCapacity {
        for index in stride(from: 0, to: TLB.logCount, by: TLB.wordsPerEntry) { body(base + index) }
      } else {
        for number in 0..<Int(count) { body(base + Int(base[TLB.logCount + 1 + number])) }
      }
    }
  }

  /// Fills an entry of a context for loads, and notes it in the log.
  func fillTLB(context: Int, linear: UInt64, host: UInt64, info: UInt64) -> UnsafeMutablePointer<UInt64> {
    let base = s + (Slot.tlbEntries + context * TLB.wordsPerContext)
    let offset = TLB.offset(linear)
    let entry = base + offset
    if entry[TLB.readTag] == TLB.invalid { log(entry, in: base) }
    s[Slot.cachedHalves] |= 1 &<< UInt64(AddressHalf.of(linear))
    let page = linear & ~0xfff
    entry[TLB.readTag] = isWatched(page: page) ? page | TLB.watched : page
    entry[TLB.writeTag] = TLB.invalid
    entry[TLB.addend] = host &- page
    entry[TLB.info] = info
    return entry
  }
}
