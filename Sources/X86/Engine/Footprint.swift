#if canImport(Glibc)
  internal import Glibc
#endif

/// What a stretch of a run executed and accessed, by linear address and whatever the address space: never less than it
/// did, maybe more. What is not in it has not been executed or accessed.
public struct Footprint: Sendable {
  struct Page: Sendable {
    /// Linear address / 4096.
    var number: UInt64
    /// The 64-byte lines in which instructions began.
    var lines: UInt64
    /// The page's bytes were loaded or stored, were stored.
    var accessed: Bool
    var written: Bool
  }

  /// Ascending.
  private(set) var pages: [Page]
  /// Too much to list: everything may have been touched.
  private(set) var isEverything: Bool

  init(pages: [Page], isEverything: Bool) {
    self.pages = pages.sorted { $0.number < $1.number }
    self.isEverything = isEverything
  }

  /// An instruction at this linear address may have been executed, or have come up to be.
  public func mayExecute(_ linear: UInt64) -> Bool {
    if isEverything { return true }
    let index = index(of: linear >> 12)
    guard index < pages.count, pages[index].number == linear >> 12 else { return false }
    return pages[index].lines >> (linear >> 6 & 63) & 1 != 0
  }

  /// Some of the bytes `first ... last` may have been accessed (`writes`: stored).
  public func mayAccess(_ first: UInt64, _ last: UInt64, writes: Bool) -> Bool {
    if isEverything { return true }
    var index = index(of: first >> 12)
    while index < pages.count, pages[index].number <= last >> 12 {
      if writes ? pages[index].written : pages[index].accessed { return true }
      index += 1
    }
    return false
  }

  /// What either touched.
  public func union(_ other: Footprint) -> Footprint {
    var both: [Page] = []
    var (mine, its) = (pages[...], other.pages[...])
    while let a = mine.first ?? its.first {
      var page = a
      if let b = its.first, mine.isEmpty || b.number <= a.number {
        its.removeFirst()
        page = b
        if b.number == a.number, !mine.isEmpty {
          mine.removeFirst()
          page.lines |= a.lines
          page.accessed = a.accessed || b.accessed
          page.written = a.written || b.written
        }
      } else {
        mine.removeFirst()
      }
      both.append(page)
    }
    return Footprint(pages: both, isEverything: isEverything || other.isEverything)
  }

  /// The first page at or after a number.
  private func index(of number: UInt64) -> Int {
    var (low, high) = (0, pages.count)
    while low < high {
      let middle = (low + high) / 2
      if pages[middle].number < number { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

// Taking a footprint costs next to nothing while code runs: at its start the translation cache is dropped, so that the
// first way to each page of data leads through the slow paths, and these take notes; and blocks set a byte when they
// are entered. Whatever a debugger's breakpoint could stop at is noted beside the places that look for one
// (`isAtStop`), or lies in a block that was entered or found.
extension SoftwareEngine {
  /// Begins to note what is executed and accessed. Where it stands counts as executed.
  public func startFootprint() {
    let core = core
    cpu[SystemSlot.footprint] = UInt64(UInt(bitPattern: core.footprint.words))
    core.footprint.clear()
    core.code.beginNotes(cpu)
    cpu.forgetData()
    cpu.noteCodeBase()
    cpu.noteCodeHere()
  }

  /// Ends it. `nil` when none was begun.
  public func takeFootprint() -> Footprint? {
    guard cpu[SystemSlot.footprint] != 0 else { return nil }
    core.code.noteEntered()
    cpu[SystemSlot.footprint] = 0
    return core.footprint.content
  }

  /// Where it stands counts as executed: for callers that look for breakpoints themselves.
  public func noteFootprintHere() { cpu.noteCodeHere() }
}

/// A footprint in the making: a table of pages, in plain memory, hashed by page number.
///
/// Words: how many entries are in use, whether everything counts as touched, then (from `list` on) the word offsets of
/// the entries in use, and (from `header` on) the entries: page number + 1 (0: free), lines, flags.
final class FootprintTable {
  static var entries: Int { 1 << 16 }
  static var entryWords: Int { 3 }
  static var count: Int { 0 }
  static var isEverything: Int { 1 }
  static var list: Int { 2 }
  static var capacity: Int { entries / 2 }
  static var header: Int { list + capacity }
  static var accessed: UInt64 { 1 }
  static var written: UInt64 { 2 }

  let words: UnsafeMutablePointer<UInt64>

  init() {
    let count = FootprintTable.header + FootprintTable.entries * FootprintTable.entryWords
    guard let memory = calloc(count, MemoryLayout<UInt64>.stride) else { fatalError("out of memory") }
    words = memory.bindMemory(to: UInt64.self, capacity: count)
  }

  deinit { free(words) }

  private var used: [UnsafeMutablePointer<UInt64>] {
    (0..<Int(words[FootprintTable.count])).map { words + Int(words[FootprintTable.list + $0]) }
  }

  func clear() {
    for entry in used { entry.update(repeating: 0, count: FootprintTable.entryWords) }
    words[FootprintTable.count] = 0
    words[FootprintTable.isEverything] = 0
  }

  var content: Footprint {
    if words[FootprintTable.isEverything] != 0 { return Footprint(pages: [], isEverything: true) }
    let pages = used.map { entry in
      Footprint.Page(
        number: entry[0] - 1, lines: entry[1], accessed: entry[2] & FootprintTable.accessed != 0,
        written: entry[2] & FootprintTable.written != 0)
    }
    return Footprint(pages: pages, isEverything: false)
  }
}

extension CPU {
  /// The entry of a page; `nil` when no more fit: everything counts as touched from then on.
  private func footprintEntry(_ linear: UInt64) -> UnsafeMutablePointer<UInt64>? {
    let words = UnsafeMutablePointer<UInt64>(bitPattern: UInt(s[SystemSlot.footprint])).unsafelyUnwrapped
    let key = linear >> 12 &+ 1
    var index = Int(truncatingIfNeeded: key ^ key >> 13) & (FootprintTable.entries - 1)
    while true {
      let entry = words + (FootprintTable.header + index * FootprintTable.entryWords)
      if entry[0] == key { return entry }
      if entry[0] == 0 {
        let count = Int(words[FootprintTable.count])
        guard count < FootprintTable.capacity else {
          words[FootprintTable.isEverything] = 1
          return nil
        }
        words[FootprintTable.list + count] = UInt64(entry - words)
        words[FootprintTable.count] = UInt64(count + 1)
        entry[0] = key
        return entry
      }
      index = (index + 1) & (FootprintTable.entries - 1)
    }
  }

  /// The instruction at RIP is the next.
  @inline(__always) func noteCodeHere() {
    if s[SystemSlot.footprint] != 0 { noteCode(codeLinear(rip), 1) }
  }

  /// Instructions begin in these bytes of a page.
  @inline(never) func noteCode(_ linear: UInt64, _ count: Int) {
    guard let entry = footprintEntry(linear) else { return }
    let first = linear >> 6 & 63
    let last = min(linear & 0xfff + UInt64(max(count, 1) - 1), 0xfff) >> 6
    entry[1] |= (UInt64.max >> (63 - (last - first))) << first
  }

  /// An access to a page that does not take the fast way.
  @inline(__always) func noteData(_ linear: UInt64, write: Bool) {
    if s[SystemSlot.footprint] != 0 { noteDataPage(linear, write) }
  }

  @inline(never) private func noteDataPage(_ linear: UInt64, _ write: Bool) {
    guard let entry = footprintEntry(linear) else { return }
    entry[2] |= write ? FootprintTable.accessed | FootprintTable.written : FootprintTable.accessed
  }

  /// In code segments with a base a block may be found at several linear addresses: no list is kept of these.
  func noteCodeBase() {
    guard s[SystemSlot.footprint] != 0, s[Slot.codeBase] != 0 else { return }
    UnsafeMutablePointer<UInt64>(bitPattern: UInt(s[SystemSlot.footprint])).unsafelyUnwrapped[
      FootprintTable.isEverything] = 1
  }
}
