/// A set of page indices below a page count: one bit for each, in blocks that are made when a page of them is put in.
public struct PageSet: Sendable {
  /// Empty, or one bit for each of its pages.
  private var blocks: [[UInt64]]

  /// Words of a block: 128 MiB of guest memory.
  private static let blockWords = 512
  private static let blockShift = 15

  /// Empty.
  public init(pageCount: Int) {
    blocks = Array(repeating: [], count: (pageCount >> PageSet.blockShift) + 1)
  }

  public mutating func insert(_ page: Int) {
    let block = page >> PageSet.blockShift
    if blocks[block].isEmpty { blocks[block] = [UInt64](repeating: 0, count: PageSet.blockWords) }
    blocks[block][(page >> 6) & (PageSet.blockWords - 1)] |= 1 << UInt64(page & 63)
  }

  /// What it holds, in ascending order.
  public var all: [Int] {
    var pages: [Int] = []
    for (number, block) in blocks.enumerated() where !block.isEmpty {
      let first = number << PageSet.blockShift
      for page in block.bitNumbers { pages.append(first + page) }
    }
    return pages
  }

  public mutating func removeAll() {
    for number in blocks.indices where !blocks[number].isEmpty {
      for word in 0..<PageSet.blockWords { blocks[number][word] = 0 }
    }
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
