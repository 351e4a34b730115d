/// A set of page indices below a page count: one bit for each, 64 in a word, as `GuestMemory.dirty`.
public struct PageSet: Sendable {
  private var words: [UInt64]

  /// Empty.
  public init(pageCount: Int) { words = [UInt64](repeating: 0, count: (pageCount + 63) / 64) }

  public mutating func insert(_ page: Int) { words[page >> 6] |= 1 << UInt64(page & 63) }

  /// Empties the set and returns what it held, in ascending order.
  public mutating func takeAll() -> [Int] {
    var pages: [Int] = []
    for word in words.indices where words[word] != 0 {
      var bits = words[word]
      words[word] = 0
      while bits != 0 {
        pages.append(word << 6 + bits.trailingZeroBitCount)
        bits &= bits - 1
      }
    }
    return pages
  }
}
