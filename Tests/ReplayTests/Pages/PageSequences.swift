import Support

// Actions in an order that is likely to show what was kept for too long: code runs, what it stands on changes, and it
// runs again.
extension PageProgram {
  mutating func sequence() {
    switch random.below(8) {
    case 0..<3: runOverTheEnd()
    case 3: changeOwnPage()
    case 4: storeThroughAnotherMapping()
    case 5: splitLargePage()
    case 6 where kind == .long: splitLargestPage()
    default: switchBetweenMappings()
    }
  }

  // MARK: sequences

  /// Code that runs on into the next page, whose mapping changes.
  private mutating func runOverTheEnd() {
    let (window, page) = (random.below(PageLayout.windows), random.below(PageLayout.windowPages - 1))
    map(window, page, to: anyFrame())
    map(window, page + 1, to: anyFrame())
    flush(window, page + 1)
    let target = PageLayout.linear(kind, window, page) + 8 * UInt64(507 + random.below(5))
    let user = random.oneIn(2)
    for _ in 0..<2 { enter(target, user: user) }
    for _ in 0..<(1 + random.below(2)) {
      change(window, page + 1)
      flush(window, page + 1)
      enter(target, user: random.oneIn(4) ? !user : user)
    }
  }

  /// Code whose own page changes.
  private mutating func changeOwnPage() {
    let (window, page) = anyPage()
    map(window, page, to: anyFrame())
    flush(window, page)
    let target = anySlot(window, page)
    let user = random.oneIn(2)
    for _ in 0..<2 { enter(target, user: user) }
    change(window, page)
    flush(window, page)
    enter(target, user: user)
    enter(target, user: !user)
  }

  /// Code that changes under another address, in a window or where all memory is mapped.
  private mutating func storeThroughAnotherMapping() {
    let (window, page) = anyPage()
    let (otherWindow, otherPage) = anyPage()
    let frame = anyFrame()
    map(window, page, to: frame)
    map(otherWindow, otherPage, to: frame)
    flush(window, page)
    flush(otherWindow, otherPage)
    let slot = 8 * UInt64(1 + random.below(498))
    let target = PageLayout.linear(kind, window, page)
    let alias = random.oneIn(3) ? frame : PageLayout.linear(kind, otherWindow, otherPage)
    for _ in 0..<2 { enter(target + slot, user: false) }
    storeSlot(at: alias + slot)
    enter(target + slot, user: random.oneIn(2))
    guard !rules.flushesAll else { return }
    enter(target + 8 * 511, user: false)
    storeOverTheEnd(of: alias)
    enter(target + 8 * 511, user: false)
  }

  /// A large page becomes a table of the same pages, or of the same but one; or the other way round.
  private mutating func splitLargePage() {
    let (window, page) = anyPage()
    let half = page / (PageLayout.windowPages / 2)
    let base = PageLayout.codeBase
    let size: UInt64 = kind == .legacy ? 1 << 22 : 1 << 21
    lead(window, page)
    for other in half * 4..<half * 4 + 4 {
      let frame = base + PageLayout.linear(kind, window, other) & (size - 1)
      store(.page, window, other, (random.oneIn(4) ? anyFrame() : frame) | PageEntryMaker.all)
    }
    let target = anySlot(window, page)
    let user = random.oneIn(2)
    var isLarge = random.oneIn(2)
    for _ in 0..<(2 + random.below(2)) {
      let large = base | PageEntryMaker.large | PageEntryMaker.all
      store(.table, window, page, isLarge ? large : maker.straight(.table, space, window, page))
      flush(window, page)
      for _ in 0..<2 { enter(target, user: user) }
      isLarge.toggle()
    }
  }

  /// The same with a page of 1 GiB and one of 2 MiB in its place.
  private mutating func splitLargestPage() {
    let (window, page) = anyPage()
    lead(window, page)
    let large = PageEntryMaker.large | PageEntryMaker.all
    let half = PageLayout.linear(kind, window, page) & 0x3fe0_0000
    store(.table, window, page, (random.oneIn(2) ? half : PageLayout.codeBase) | large)
    let target = anySlot(window, page)
    let user = random.oneIn(2)
    var isLarge = random.oneIn(2)
    for _ in 0..<(2 + random.below(2)) {
      store(.directory, window, page, isLarge ? large : maker.straight(.directory, space, window, page))
      flush(window, page)
      for _ in 0..<2 { enter(target, user: user) }
      isLarge.toggle()
    }
  }

  /// The same page in both address spaces, of one frame or two, global or not, changed in one while in the other.
  private mutating func switchBetweenMappings() {
    let (window, page) = anyPage()
    let target = anySlot(window, page)
    let user = random.oneIn(2)
    let first = random.below(2)
    for number in [first, 1 - first] {
      switchSpace(to: number)
      map(window, page, to: anyFrame(), random.oneIn(2) ? PageEntryMaker.global : 0)
      flush(window, page)
      accessData(at: target)
      for _ in 0..<2 { enter(target, user: user) }
    }
    if random.oneIn(2) { change(window, page, in: first) }
    switchSpace(to: first)
    if rules.flushesAll {
      flushAll()
    } else if rules.usesContexts && random.oneIn(2) {
      invalidateContext(window, page)
    }
    accessData(at: target)
    enter(target, user: user)
  }

  // MARK: pieces

  private mutating func anyFrame() -> UInt64 { PageLayout.frame(random.pick(PageLayout.frames)) }

  private mutating func anySlot(_ window: Int, _ page: Int) -> UInt64 {
    let slot = random.oneIn(2) ? 505 + random.below(7) : random.below(PageCode.slotsPerPage)
    return PageLayout.linear(kind, window, page) + 8 * UInt64(slot)
  }

  private mutating func store(_ level: PageLevel, _ window: Int, _ page: Int, _ value: UInt64, in space: Int? = nil) {
    assembler.storeEntry(value, at: PageLayout.entry(kind, level, space ?? self.space, window, page))
  }

  /// The way to a page's table is the address space's own, with all rights.
  private mutating func lead(_ window: Int, _ page: Int) {
    for level in PageLayout.levels(kind, window) where level != .page {
      store(level, window, page, maker.straight(level, space, window, page))
    }
  }

  /// Maps a page with all rights.
  private mutating func map(_ window: Int, _ page: Int, to frame: UInt64, _ flags: UInt64 = 0) {
    lead(window, page)
    store(.page, window, page, frame | PageEntryMaker.all | flags)
  }

  /// Takes rights away from a page or its table, or leads it elsewhere.
  private mutating func change(_ window: Int, _ page: Int, in space: Int? = nil) {
    let number = space ?? self.space
    let all = PageEntryMaker.all
    let noExecute = kind == .legacy ? 0 : PageEntryMaker.noExecute
    let table = maker.straight(.table, number, window, page)
    switch random.below(9) {
    case 0, 1: store(.page, window, page, anyFrame() | all, in: space)
    case 2: store(.page, window, page, 0, in: space)
    case 3: store(.page, window, page, anyFrame() | all | noExecute, in: space)
    case 4: store(.page, window, page, anyFrame() | all & ~PageEntryMaker.user, in: space)
    case 5: store(.table, window, page, table & ~random.pick([PageEntryMaker.present, PageEntryMaker.user]), in: space)
    case 6: store(.table, window, page, table | noExecute, in: space)
    case 7:
      let other = PageLayout.table(1 - number, window, page / (PageLayout.windowPages / 2))
      store(.table, window, page, other | all, in: space)
    default:
      store(.page, window, page, maker.value(.page, number, window, page, plain: false, &random), in: space)
    }
  }

  /// What holds for a page is asked for anew, if only its own: in one of the ways to say so, or none.
  private mutating func flush(_ window: Int, _ page: Int) {
    if rules.flushesAll { return flushAll() }
    switch random.below(8) {
    case 0..<4: invalidatePage(window, page)
    case 4, 5: switchSpace(to: space)
    case 6: flushAll()
    default: break
    }
  }
}
