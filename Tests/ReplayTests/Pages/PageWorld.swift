import Support
import VMMCore

/// A whole machine at the beginning of one case: tables, code, handlers and program, made from a seed.
struct PageWorld {
  let kind: PagingKind
  let rules: PageProgram.Rules
  private(set) var placements: [Placement] = []
  private(set) var state = CPUState()
  let code: PageCode
  private var random: SeededRandom

  init(kind: PagingKind, rules: PageProgram.Rules, seed: UInt64) {
    self.kind = kind
    random = SeededRandom(seed: seed)
    let coin = random.oneIn(2)
    var rules = rules
    rules.usesContexts = rules.usesContexts && kind == .long && coin
    self.rules = rules
    code = PageCode(kind: kind)
    placeHandlers()
    placeDescriptors()
    placeTables()
    for frame in PageLayout.frames { place(PageLayout.frame(frame), code.page(&random)) }
    var program = PageProgram(kind: kind, rules: rules, code: code, random: SeededRandom(seed: random.next()))
    place(PageLayout.program, program.make())
    makeState()
  }

  var initial: InitialMachine {
    InitialMachine(memorySize: PageLayout.memorySize, images: [], placements: placements, state: state)
  }

  private mutating func place(_ address: UInt64, _ bytes: [UInt8]) {
    placements.append(Placement(address: GuestPhysicalAddress(address), source: .bytes(bytes)))
  }

  private mutating func placeWord(_ address: UInt64, _ value: UInt64, size: UInt64 = 8) {
    place(address, (0..<size).map { UInt8(value >> (8 * $0) & 0xff) })
  }

  // MARK: the kernel's own

  /// Every exception is noted in RBX and leads to where the program said.
  private mutating func placeHandlers() {
    // Returns to address 0 end at once.
    place(0, (0..<64).flatMap { _ in [0x0f, 0x0b] as [UInt8] })
    let common = PageLayout.handlers + 0x800
    for vector in UInt64(0)..<32 {
      var stub = PageAssembler(kind, at: PageLayout.handlers + 32 * vector)
      if vector != 8 && (vector < 10 || vector > 14) && vector != 17 { stub.emit(0x6a, 0) }
      stub.emit(0x6a, UInt8(vector))
      stub.relative(0xe9, to: common)
      place(stub.origin, stub.bytes)
      placeGate(vector, stub.origin)
    }
    var handler = PageAssembler(kind, at: common)
    handler.emit(0x5a, 0x5e, 0x5f)
    handler.wide()
    handler.emit(0x8d, 0x1c, 0x5b)
    for source: UInt8 in [0xd3, 0xf3, 0xfb] {
      handler.wide()
      handler.emit(0x01, source)
    }
    handler.emit(0x0f, 0x20, 0xd0)
    handler.wide()
    handler.emit(0x01, 0xc3)
    handler.move(.sp, PageLayout.stack)
    handler.jumpIndirect(PageLayout.resume)
    place(handler.origin, handler.bytes)
  }

  private mutating func placeGate(_ vector: UInt64, _ target: UInt64) {
    let size: UInt64 = kind.is64Bit ? 16 : 8
    let low = target & 0xffff | 8 << 16 | 0x8e << 40 | (target >> 16) << 48
    placeWord(PageLayout.interruptTable + size * vector, low)
  }

  private mutating func placeDescriptors() {
    let wide: UInt64 = kind.is64Bit ? 0x0020_0000_0000_0000 : 0x0040_0000_0000_0000
    let table: [UInt64] = [
      0, 0x008f_9b00_0000_ffff | wide, 0x00cf_9300_0000_ffff, 0x008f_fb00_0000_ffff | wide, 0x00cf_f300_0000_ffff,
      0x0000_8b00_3000_0067, 0,
    ]
    for (number, value) in table.enumerated() { placeWord(PageLayout.descriptors + 8 * UInt64(number), value) }
    placeWord(PageLayout.taskSegment + 4, PageLayout.userEntryStack)
    if !kind.is64Bit { placeWord(PageLayout.taskSegment + 8, 0x10, size: 4) }
  }

  // MARK: tables

  private mutating func placeTables() {
    let size = kind.entrySize
    let identity: UInt64 = PageEntryMaker.large | 3
    if kind == .legacy {
      for space in 0..<PageLayout.spaces {
        for index in UInt64(0)..<2 { placeWord(PageLayout.root(space) + index * 4, index << 22 | identity, size: 4) }
      }
    } else {
      for index in UInt64(0)..<4 { placeWord(PageLayout.identityDirectory + index * 8, index << 21 | identity) }
    }
    let maker = PageEntryMaker(kind: kind, allowsReserved: false)
    let sharesUpperHalf = random.oneIn(2)
    for space in 0..<PageLayout.spaces {
      placeLowest(space)
      for window in 0..<PageLayout.windows {
        let of = sharesUpperHalf && window == 1 ? 0 : space
        for page in 0..<PageLayout.windowPages {
          for level in PageLevel.allCases where level == .top ? kind == .long : level != .directory || kind != .legacy {
            let isLeaf = level == .page
            let plain = !isLeaf || random.oneIn(2)
            var value = maker.value(level, of, window, page, plain: true, &random)
            if level == .page && !plain { value = maker.value(level, of, window, page, plain: false, &random) }
            if plain && !isLeaf { value = maker.straight(level, of, window, page) }
            placeWord(PageLayout.entry(kind, level, space, window, page), value, size: size)
          }
        }
      }
    }
  }

  /// What maps the first GiB.
  private mutating func placeLowest(_ space: Int) {
    switch kind {
    case .legacy: break
    case .pae: placeWord(PageLayout.root(space), PageLayout.identityDirectory | PageEntryMaker.present)
    case .long: placeWord(PageLayout.pointers(space, 0), PageLayout.identityDirectory | PageEntryMaker.all)
    }
  }

  // MARK: registers

  private mutating func makeState() {
    let wide: UInt32 = kind.is64Bit ? 0x2000 : 0x4000
    state.cs = Segment(selector: 8, base: 0, limit: .max, attributes: 0x809b | wide)
    state.ss = Segment(selector: 0x10, base: 0, limit: .max, attributes: 0xc093)
    let data = Segment(selector: 0x23, base: 0, limit: .max, attributes: 0xc0f3)
    (state.ds, state.es, state.fs, state.gs) = (data, data, data, data)
    state.tr = Segment(selector: 0x28, base: PageLayout.taskSegment, limit: 0x67, attributes: 0x8b)
    state.gdtr = DescriptorTable(base: PageLayout.descriptors, limit: 0x37)
    state.idtr = DescriptorTable(base: PageLayout.interruptTable, limit: kind.is64Bit ? 0x1ff : 0xff)
    state.rip = PageLayout.program
    state.gpr[4] = PageLayout.stack
    state.cr0 = 0x8000_0031 | (random.oneIn(5) ? 0 : 1 << 16)
    state.cr3 = PageLayout.root(0)
    // PSE; PAE; PGE mostly; PCIDE where contexts are used.
    state.cr4 = 0x10 | (kind == .legacy ? 0 : 0x20) | (random.oneIn(4) ? 0 : 0x80) | (rules.usesContexts ? 1 << 17 : 0)
    if rules.togglesModes && random.oneIn(4) { state.cr4 |= 1 << 20 }
    if kind != .legacy { state.efer = kind == .long ? 0xd00 : 0x800 }
  }
}
