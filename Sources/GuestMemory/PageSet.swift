/// A set of page indices below a page count: one bit for each, 64 in a word, as `GuestMemory.dirty`.
public struct PageSet: Sendable {
  private var words: [UInt64]

  /// Empty.
  public init(pageCount: Int) { words = [UInt64](repeating: 0, count: (pageCount + 63) / 64) }

  public mutating func insert(_ page: Int) { words[page >> 6] |= 1 << UInt64(page & 63) }

  /// What it holds, in ascending order.
  public var all: [Int] { words.bitNumbers }

  public mutating func removeAll() {
    for word in words.indices { words[word] = 0 }
  }

  /// Empties the set and returns what it held, in ascending order.
  public mutating func takeAll() -> [Int] {
    defer { removeAll() }
    return all
  }
}

extension Collection<UInt64> {
  /// The numbers of the bits that are set, ascending: 64 in a word, the lowest first.
  var bitNumbers: [Int] {
    var numbers: [Int] = []
    var first = 0
    for word in self {
      var bits = word
      while bits != 0 {
        numbers.append(first + bits.trailingZeroBitCount)
        bits &= bits - 1
      }
      first += 64
    }
    return numbers
  }
}
