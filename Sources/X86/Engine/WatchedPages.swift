#if canImport(Glibc)
  internal import Glibc
#endif

/// Which words (8 bytes, aligned) of a page a run accessed, by linear address and whatever the address space: never
/// less than it did.
public struct WordAccesses: Equatable, Sendable {
  /// Linear address / 4096.
  public let page: UInt64
  private var accessed: SIMD8<UInt64>
  private var written: SIMD8<UInt64>

  init(page: UInt64, accessed: SIMD8<UInt64>, written: SIMD8<UInt64>) {
    self.page = page
    self.accessed = accessed
    self.written = written
  }

  /// Some of those bytes `first ... last` that lie in the page may have been accessed (`writes`: stored).
  public func mayAccess(_ first: UInt64, _ last: UInt64, writes: Bool) -> Bool {
    let start = max(first, page << 12), end = min(last, page << 12 | 0xfff)
    guard start <= end else { return false }
    let bits = writes ? written : accessed
    return (start >> 3...end >> 3).contains { word in
      let group: UInt64 = bits[Int(word >> 6 & 7)]
      return group >> (word & 63) & 1 != 0
    }
  }

  /// What either accessed of the same page.
  public func union(_ other: WordAccesses) -> WordAccesses {
    WordAccesses(page: page, accessed: accessed | other.accessed, written: written | other.written)
  }
}

// Every access to a page with watched bytes takes the slow path, and asks there whether it is one to report: so it is
// known of all words of these pages whether they are accessed, for the same costs.
extension SoftwareEngine {
  /// What has been accessed, since the last call or the last change of what is watched, of the pages that watched bytes
  /// lie in. Nothing is known of pages that are not listed; of more than some few pages none is.
  public func takeWordAccesses() -> [WordAccesses] { core.watchedPages.take() }
}

/// Notes in the making, in plain memory. Words: how many pages, and for each its number, eight words of bits for its
/// words that were accessed, eight for those that were written.
final class WatchedPagesTable {
  static var capacity: Int { 4 }
  static var header: Int { 1 }
  static var entryWords: Int { 17 }

  let words: UnsafeMutablePointer<UInt64>

  init() {
    let count = WatchedPagesTable.header + WatchedPagesTable.capacity * WatchedPagesTable.entryWords
    words = .allocate(capacity: count)
    words.initialize(repeating: 0, count: count)
  }

  deinit { words.deallocate() }

  /// Begins anew, for the pages of these ranges.
  func watch(_ watches: [DebugWatch]) {
    words[0] = 0
    var pages: [UInt64] = []
    for watch in watches {
      let (last, wraps) = watch.address.addingReportingOverflow(watch.count - 1)
      guard !wraps, last >> 12 - watch.address >> 12 < WatchedPagesTable.capacity else { return }
      pages += (watch.address >> 12...last >> 12).filter { !pages.contains($0) }
    }
    guard pages.count <= WatchedPagesTable.capacity else { return }
    for (number, page) in pages.enumerated() { entry(number)[0] = page }
    words[0] = UInt64(pages.count)
    clear()
  }

  func take() -> [WordAccesses] {
    defer { clear() }
    return (0..<Int(words[0])).map { number in
      let bits = UnsafeRawPointer(entry(number) + 1)
      return WordAccesses(
        page: entry(number)[0], accessed: bits.loadUnaligned(as: SIMD8<UInt64>.self),
        written: bits.loadUnaligned(fromByteOffset: 64, as: SIMD8<UInt64>.self))
    }
  }

  private func clear() {
    for number in 0..<Int(words[0]) { (entry(number) + 1).update(repeating: 0, count: 16) }
  }

  private func entry(_ number: Int) -> UnsafeMutablePointer<UInt64> {
    words + (WatchedPagesTable.header + number * WatchedPagesTable.entryWords)
  }
}

extension CPU {
  /// An access to some bytes of one page, while something is watched.
  func noteWords(_ linear: UInt64, _ count: Int, write: Bool) {
    let table = UnsafeMutablePointer<UInt64>(bitPattern: UInt(s[SystemSlot.watchedPages])).unsafelyUnwrapped
    for number in 0..<Int(table[0]) {
      let entry = table + (WatchedPagesTable.header + number * WatchedPagesTable.entryWords)
      guard entry[0] == linear >> 12 else { continue }
      let last = min(linear & 0xfff &+ UInt64(max(count, 1) - 1), 0xfff) >> 3
      for word in (linear & 0xfff) >> 3...last {
        entry[Int(1 + word >> 6)] |= 1 << (word & 63)
        if write { entry[Int(9 + word >> 6)] |= 1 << (word & 63) }
      }
      return
    }
  }
}
