internal import X86

/// What searches with watchpoints have seen of the pages that the watched bytes lie in: another word of such a page is
/// searched for only where it was accessed.
struct SearchedPages {
  private var pages: [UInt64: ExploredStretches<WordAccesses>] = [:]
  /// The pages, least recently searched first.
  private var order: [UInt64] = []
  /// No more pages than this.
  private static let maximumCount = 64

  mutating func insert(_ stretch: ExploredStretch<WordAccesses>) {
    let page = stretch.traces.page
    pages[page, default: ExploredStretches()].insert(stretch)
    if order.last != page {
      order.removeAll { $0 == page }
      order.append(page)
    }
    if order.count > SearchedPages.maximumCount { pages[order.removeFirst()] = nil }
  }

  /// The earliest moment from which on an item is known not to be found up to `end`.
  func beginning(of item: SearchItem, upTo end: Moment) -> Moment {
    guard case .watch(let range) = item, range.last >> 12 - range.first >> 12 < SearchedPages.maximumCount else {
      return end
    }
    return (range.first >> 12...range.last >> 12)
      .map { pages[$0]?.beginning(of: item, upTo: end) ?? end }.max() ?? end
  }
}

extension WordAccesses: TouchedPlaces {
  func mayHold(_ item: SearchItem) -> Bool {
    guard case .watch(let range) = item else { return true }
    return mayAccess(range.first, range.last, writes: range.kind == .write)
  }
}
