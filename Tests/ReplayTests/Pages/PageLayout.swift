import Support

/// How linear addresses are translated.
enum PagingKind: CaseIterable {
  case long, pae, legacy

  /// Bytes of a table's entry.
  var entrySize: UInt64 { self == .legacy ? 4 : 8 }
  var is64Bit: Bool { self == .long }
}

/// A level of the tables, by what its entries lead to.
enum PageLevel: CaseIterable {
  case page, table, directory, top
}

/// Where everything lies. Two address spaces map two windows of eight pages each, to code that both may share; the
/// middle of a window is where one page table ends and the next begins. Below 4 MiB lie the program that changes the
/// tables, and the tables; up to 8 MiB all is mapped one to one, for the kernel, in every address space.
enum PageLayout {
  static let memorySize: UInt64 = 8 << 20
  static let interruptTable: UInt64 = 0x1000
  static let descriptors: UInt64 = 0x2000
  static let taskSegment: UInt64 = 0x3000
  /// Where the handler of exceptions goes on; the operand of INVPCID.
  static let resume: UInt64 = 0x4000
  static let context: UInt64 = 0x4010
  static let stack: UInt64 = 0x6000
  static let userEntryStack: UInt64 = 0x6800
  static let handlers: UInt64 = 0x8000
  static let program: UInt64 = 0x2_0000
  static let identityDirectory: UInt64 = 0x12_0000
  static let codeBase: UInt64 = 0x40_0000

  static let spaces = 2
  static let windows = 2
  static let windowPages = 8

  /// The pages of code, counted from `codeBase`: also those that a large page shows in a window, of 2 and 4 MiB, and of
  /// 1 GiB, which shows the pages below `codeBase`.
  static let frames = Array(-4..<8) + Array(508..<512) + Array(1020..<1024)
  /// Where there is no memory.
  static let outside: UInt64 = 0x4000_0000

  static func frame(_ number: Int) -> UInt64 { codeBase &+ UInt64(bitPattern: Int64(number)) << 12 }

  private static func tables(_ space: Int) -> UInt64 { 0x10_0000 + UInt64(space) << 16 }
  static func root(_ space: Int) -> UInt64 { tables(space) }
  /// Page-directory pointers of the lower and the upper half (long mode).
  static func pointers(_ space: Int, _ window: Int) -> UInt64 { tables(space) + 0x1000 + UInt64(window) << 12 }
  static func directory(_ kind: PagingKind, _ space: Int, _ window: Int) -> UInt64 {
    kind == .legacy ? root(space) : tables(space) + 0x3000 + UInt64(window) << 12
  }
  static func table(_ space: Int, _ window: Int, _ half: Int) -> UInt64 {
    tables(space) + 0x5000 + UInt64(2 * window + half) << 12
  }

  /// The linear address of a page of a window.
  static func linear(_ kind: PagingKind, _ window: Int, _ page: Int) -> UInt64 {
    let middle: UInt64 = window == 0 ? 0x4040_0000 : kind == .long ? 0xffff_ffff_8040_0000 : 0x8040_0000
    return middle &+ UInt64(page) << 12 &- UInt64(windowPages / 2) << 12
  }

  /// The physical address of the entry that maps a page of a window, at a level.
  static func entry(_ kind: PagingKind, _ level: PageLevel, _ space: Int, _ window: Int, _ page: Int) -> UInt64 {
    let linear = linear(kind, window, page)
    let half = page / (windowPages / 2)
    switch (level, kind) {
    case (.page, .legacy): return table(space, window, half) + (linear >> 12 & 0x3ff) * 4
    case (.page, _): return table(space, window, half) + (linear >> 12 & 0x1ff) * 8
    case (.table, .legacy): return root(space) + (linear >> 22 & 0x3ff) * 4
    case (.table, _): return directory(kind, space, window) + (linear >> 21 & 0x1ff) * 8
    case (.directory, .long): return pointers(space, window) + (linear >> 30 & 0x1ff) * 8
    case (.directory, _): return root(space) + (linear >> 30 & 3) * 8
    case (.top, _): return root(space) + (linear >> 39 & 0x1ff) * 8
    }
  }

  /// The levels whose entries a program may change: not those that map the program itself.
  static func levels(_ kind: PagingKind, _ window: Int) -> [PageLevel] {
    switch kind {
    case .legacy: [.page, .table]
    case .pae: [.page, .table, .directory]
    case .long: window == 0 ? [.page, .table, .directory] : PageLevel.allCases
    }
  }
}

/// Values of entries.
struct PageEntryMaker {
  static let present: UInt64 = 1
  static let writable: UInt64 = 2
  static let user: UInt64 = 4
  static let accessed: UInt64 = 0x20
  static let dirty: UInt64 = 0x40
  static let large: UInt64 = 0x80
  static let global: UInt64 = 0x100
  static let noExecute: UInt64 = 1 << 63
  static let all = present | writable | user

  let kind: PagingKind
  /// Of bits that must be zero.
  let allowsReserved: Bool

  /// What an entry may hold; `plain` leads on with all rights.
  func value(
    _ level: PageLevel, _ space: Int, _ window: Int, _ page: Int, plain: Bool, _ random: inout SeededRandom
  ) -> UInt64 {
    let half = page / (PageLayout.windowPages / 2)
    switch level {
    case .page:
      let isOutside = !plain && allowsReserved && random.oneIn(30)
      let frame = isOutside ? PageLayout.outside : PageLayout.frame(random.pick(PageLayout.frames))
      return frame | flags(plain, leaf: true, &random)
    case .table:
      if !plain && random.chance(35) { return largePage(&random) }
      let other = random.oneIn(4)
      let table = PageLayout.table(other ? random.below(2) : space, other ? random.below(2) : window, half)
      return table | flags(plain, leaf: false, &random)
    case .directory:
      let directory = PageLayout.directory(kind, random.oneIn(5) ? random.below(2) : space, window)
      // PAE's pointers have no rights, and reserved bits in their place.
      if kind == .pae { return directory | (plain || !random.oneIn(5) ? PageEntryMaker.present : 0) }
      if !plain && random.oneIn(5) { return PageEntryMaker.large | flags(false, leaf: true, &random) }
      return directory | flags(plain, leaf: false, &random)
    case .top:
      return PageLayout.pointers(random.oneIn(5) ? random.below(2) : space, window)
        | flags(plain, leaf: false, &random)
    }
  }

  /// The entry that leads to an address space's own tables.
  func straight(_ level: PageLevel, _ space: Int, _ window: Int, _ page: Int) -> UInt64 {
    let half = page / (PageLayout.windowPages / 2)
    switch level {
    case .page, .table: return PageLayout.table(space, window, half) | PageEntryMaker.all
    case .directory:
      return PageLayout.directory(kind, space, window) | (kind == .pae ? PageEntryMaker.present : PageEntryMaker.all)
    case .top: return PageLayout.pointers(space, window) | PageEntryMaker.all
    }
  }

  private func largePage(_ random: inout SeededRandom) -> UInt64 {
    let address = kind == .legacy || !random.oneIn(4) ? PageLayout.codeBase : PageLayout.codeBase + 0x20_0000
    return address | PageEntryMaker.large | flags(false, leaf: true, &random)
  }

  private func flags(_ plain: Bool, leaf: Bool, _ random: inout SeededRandom) -> UInt64 {
    if plain { return PageEntryMaker.all }
    var bits: UInt64 = 0
    if !random.oneIn(6) { bits |= PageEntryMaker.present }
    if !random.oneIn(4) { bits |= PageEntryMaker.writable }
    if !random.oneIn(4) { bits |= PageEntryMaker.user }
    if random.oneIn(3) { bits |= PageEntryMaker.accessed }
    if leaf && random.oneIn(3) { bits |= PageEntryMaker.dirty }
    if leaf && random.oneIn(4) { bits |= PageEntryMaker.global }
    if kind != .legacy && random.oneIn(7) { bits |= PageEntryMaker.noExecute }
    if allowsReserved && kind != .legacy && random.oneIn(40) { bits |= 1 << 51 }
    return bits
  }
}
