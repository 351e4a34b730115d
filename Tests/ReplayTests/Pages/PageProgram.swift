import Support

/// The kernel-mode program of one case: it changes tables, flushes, changes code, and enters code, in random order.
struct PageProgram {
  /// What programs may contain.
  struct Rules {
    /// Only what the architecture defines: whatever changes is flushed, everywhere, before it is used.
    var flushesAll = false
    var togglesModes = true
    var usesContexts = false
  }

  let kind: PagingKind
  let rules: Rules
  let code: PageCode
  let maker: PageEntryMaker
  var random: SeededRandom
  var assembler: PageAssembler
  /// The address space that CR3 leads to by then.
  private(set) var space = 0
  private var entries: [UInt64] = []

  init(kind: PagingKind, rules: Rules, code: PageCode, random: SeededRandom) {
    self.kind = kind
    self.rules = rules
    self.code = code
    self.random = random
    maker = PageEntryMaker(kind: kind, allowsReserved: rules.togglesModes)
    assembler = PageAssembler(kind, at: PageLayout.program)
  }

  /// The program's bytes; it ends with HLT.
  mutating func make() -> [UInt8] {
    for _ in 0..<(12 + random.below(28)) { action() }
    assembler.emit(0xf4)
    return assembler.bytes
  }

  private mutating func action() {
    if random.oneIn(4) { return sequence() }
    switch random.below(20) {
    case 0..<8:
      let target = entryPoint()
      let user = random.oneIn(2)
      for _ in 0..<(1 + random.below(3)) { enter(target, user: user) }
    case 8..<13:
      changeEntry()
      flush()
    case 13: switchSpace()
    case 14: storeSlot()
    case 15: storeOverTheEnd()
    case 16: copySlots()
    case 17: accessData()
    case 18: fillEntries()
    default: rules.togglesModes && random.oneIn(3) ? toggle() : flush()
    }
  }

  // MARK: addresses

  mutating func anyPage() -> (window: Int, page: Int) {
    (random.below(PageLayout.windows), random.below(PageLayout.windowPages))
  }

  /// Where code was entered before, mostly: ways that were found then are tried again.
  private mutating func entryPoint() -> UInt64 {
    if entries.count < 3 || random.oneIn(6) { entries.append(newEntryPoint()) }
    return random.pick(entries)
  }

  /// The beginning of a slot, near the end of a page as often as not.
  private mutating func newEntryPoint() -> UInt64 {
    let (window, page) = anyPage()
    let slot = random.oneIn(2) ? 505 + random.below(7) : random.below(PageCode.slotsPerPage)
    return PageLayout.linear(kind, window, page) + 8 * UInt64(slot)
  }

  /// A slot (neither a page's first nor near its last) in a window or where all memory is mapped.
  private mutating func slotAddress(before limit: Int = 500) -> UInt64 {
    let slot = 8 * UInt64(1 + random.below(limit - 1))
    if random.oneIn(3) { return PageLayout.frame(random.pick(PageLayout.frames)) + slot }
    let (window, page) = anyPage()
    return PageLayout.linear(kind, window, page) + slot
  }

  // MARK: running code

  /// An exception from here on leads to the place that `body` ends at.
  private mutating func guarded(_ body: (inout PageProgram) -> Void) {
    assembler.store32(0, at: PageLayout.resume)
    let at = assembler.bytes.count - 4
    body(&self)
    assembler.patch32(assembler.here, at: at)
  }

  mutating func enter(_ target: UInt64, user: Bool) {
    guarded { program in
      program.assembler.move(.cx, UInt64(program.random.below(6)))
      program.assembler.move(.si, program.slotAddress() + PageCode.freeByte)
      if user { program.enterUser(target) } else { program.enterKernel(target) }
    }
  }

  private mutating func enterUser(_ target: UInt64) {
    assembler.push(0x23)
    assembler.push(PageLayout.stack)
    assembler.push(2)
    assembler.push(0x1b)
    assembler.push(target)
    assembler.wide()
    assembler.emit(0xcf)
  }

  private mutating func enterKernel(_ target: UInt64) {
    assembler.move(.sp, PageLayout.stack)
    switch random.below(3) {
    case 0 where target < 1 << 31: assembler.relative(random.oneIn(2) ? 0xe9 : 0xe8, to: target)
    case 1:
      assembler.move(.ax, target)
      assembler.emit(0xff, 0xe0)
    default:
      assembler.push(target)
      assembler.emit(0xc3)
    }
  }

  // MARK: changing code

  private mutating func storeSlot() { storeSlot(at: slotAddress()) }

  mutating func storeSlot(at address: UInt64) {
    let slot = code.slot(9, &random).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guarded { program in
      program.assembler.move(.dx, address)
      if program.kind.is64Bit {
        program.assembler.move(.ax, slot)
        program.assembler.emit(0x48, 0x89, 0x02)
      } else {
        program.assembler.emit(0xc7, 0x02)
        program.assembler.emit32(slot)
        program.assembler.emit(0xc7, 0x42, 0x04)
        program.assembler.emit32(slot >> 32)
      }
    }
  }

  private mutating func storeOverTheEnd() {
    let (window, page) = anyPage()
    // KVM's emulator stores the first part before it looks at the second page.
    storeOverTheEnd(
      of: rules.flushesAll ? PageLayout.frame(random.below(7)) : PageLayout.linear(kind, window, page))
  }

  mutating func storeOverTheEnd(of page: UInt64) {
    let address = page + 4094
    let value = code.overTheEnd(&random)
    guarded { program in
      program.assembler.move(.dx, address)
      program.assembler.emit(0xc7, 0x02)
      program.assembler.emit32(UInt64(value))
    }
  }

  private mutating func copySlots() {
    let (from, to) = (slotAddress(before: 440), slotAddress(before: 440))
    let count = 1 + random.below(60)
    guarded { program in
      program.assembler.move(.si, from)
      program.assembler.move(.di, to)
      program.assembler.move(.cx, UInt64(program.kind.is64Bit ? count : 2 * count))
      program.assembler.emit(0xf3)
      program.assembler.wide()
      program.assembler.emit(0xa5)
    }
  }

  /// Loads, anywhere: they set accessed bits and fill translation caches.
  private mutating func accessData() {
    let (window, page) = anyPage()
    accessData(at: PageLayout.linear(kind, window, page) + UInt64(random.below(4096)))
  }

  /// Adds a word of memory to RBX.
  mutating func accessData(at address: UInt64) {
    guarded { program in
      program.assembler.move(.dx, address)
      program.assembler.wide()
      program.assembler.emit(0x03, 0x1a)
    }
  }

  // MARK: changing tables

  private mutating func changeEntry() {
    let space = random.below(PageLayout.spaces)
    let (window, page) = anyPage()
    let level = random.oneIn(2) ? .page : random.pick(PageLayout.levels(kind, window))
    let address = PageLayout.entry(kind, level, space, window, page)
    switch random.below(6) {
    case 0: assembler.alterByte(4, random.pick([0x9f, 0xdf, 0xbf]), at: address)
    case 1 where level == .page: assembler.alterByte(6, random.pick([1, 2, 4]), at: address)
    default:
      let value = maker.value(level, space, window, page, plain: random.oneIn(3), &random)
      assembler.storeEntry(value, at: address)
    }
  }

  /// Several neighbours become the same page.
  private mutating func fillEntries() {
    guard kind != .pae else { return changeEntry() }
    let space = random.below(PageLayout.spaces)
    let (window, half) = (random.below(PageLayout.windows), random.below(2))
    let page = half * 4 + random.below(2)
    let value = maker.value(.page, space, window, page, plain: random.oneIn(2), &random)
    assembler.move(.ax, value)
    assembler.move(.di, PageLayout.entry(kind, .page, space, window, page))
    assembler.move(.cx, UInt64(2 + random.below(2)))
    assembler.emit(0xf3)
    assembler.wide()
    assembler.emit(0xab)
    flush()
  }

  // MARK: flushing

  private mutating func flush() {
    if rules.flushesAll { return flushAll() }
    switch random.below(8) {
    case 0..<3: invalidatePage()
    case 3, 4: switchSpace()
    case 5: flushAll()
    case 6: invalidateContext()
    default: break
    }
  }

  private mutating func invalidatePage() {
    let (window, page) = anyPage()
    invalidatePage(window, page)
  }

  mutating func invalidatePage(_ window: Int, _ page: Int) {
    assembler.move(.ax, PageLayout.linear(kind, window, page))
    assembler.emit(0x0f, 0x01, 0x38)
  }

  /// CR4.PGE off and on, or on and off.
  mutating func flushAll() {
    assembler.flipControlBit(4, 7)
    assembler.flipControlBit(4, 7)
  }

  private mutating func switchSpace() { switchSpace(to: random.below(PageLayout.spaces)) }

  mutating func switchSpace(to number: Int) {
    space = number
    var value = PageLayout.root(number)
    if rules.usesContexts {
      value |= UInt64(random.below(3))
      if random.oneIn(3) { value |= 1 << 63 }
    }
    assembler.move(.ax, value)
    assembler.emit(0x0f, 0x22, 0xd8)
  }

  private mutating func invalidateContext() {
    guard rules.usesContexts else { return invalidatePage() }
    let (window, page) = anyPage()
    invalidateContext(window, page)
  }

  /// INVPCID of any kind, with a linear address.
  mutating func invalidateContext(_ window: Int, _ page: Int) {
    let linear = PageLayout.linear(kind, window, page)
    assembler.store32(UInt64(random.below(3)), at: PageLayout.context)
    assembler.store32(linear & 0xffff_ffff, at: PageLayout.context + 8)
    assembler.store32(linear >> 32, at: PageLayout.context + 12)
    assembler.move(.ax, UInt64(random.below(4)))
    assembler.emit(0x66, 0x0f, 0x38, 0x82, 0x04, 0x25)
    assembler.emit32(PageLayout.context)
  }

  /// SMEP, SMAP, WP, PGE or NXE.
  private mutating func toggle() {
    switch random.below(kind == .legacy ? 4 : 5) {
    case 0: assembler.flipControlBit(4, 20)
    case 1: assembler.flipControlBit(4, 21)
    case 2: assembler.flipControlBit(0, 16)
    case 3: assembler.flipControlBit(4, 7)
    default:
      assembler.move(.cx, 0xc000_0080)
      assembler.emit(0x0f, 0x32, 0x0f, 0xba, 0xf8, 11, 0x0f, 0x30)
    }
  }
}
