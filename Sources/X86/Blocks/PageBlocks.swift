#if canImport(Glibc)
  internal import Glibc
#endif

/// For each page of guest memory the blocks that were decoded from it, and which 64-byte pieces of it they cover.
struct PageBlocks: ~Copyable {
  private let blocks: UnsafeMutablePointer<Block>
  /// The first block + 1.
  private let firstBlocks: UnsafeMutablePointer<Int32>
  private let covers: UnsafeMutablePointer<UInt64>

  init(of store: borrowing BlockStore, pageCount: Int) {
    blocks = store.blocks
    firstBlocks = zeroedMemory(pageCount)
    covers = zeroedMemory(pageCount)
  }

  deinit {
    free(firstBlocks)
    free(covers)
  }

  func isEmpty(_ page: Int) -> Bool { firstBlocks[page] == 0 }

  /// Bytes of a page of which some may belong to a block.
  func mayHold(_ bytes: Range<Int>, _ page: Int) -> Bool { covers[page] & cover(bytes) != 0 }

  func insert(_ number: Int32) {
    let block = blocks + Int(number)
    let (page, second) = (Int(block.pointee.pageNumber), Int(block.pointee.secondPageNumber))
    if page >= 0 {
      block.pointee.nextInPage = firstBlocks[page] - 1
      firstBlocks[page] = number + 1
      covers[page] |= cover(bytes(ofFirstPage: block.pointee))
    }
    if second >= 0 {
      // In one list once, where both pages are the same.
      if second != page {
        block.pointee.nextInSecondPage = firstBlocks[second] - 1
        firstBlocks[second] = number + 1
      }
      covers[second] |= cover(PageBlocks.secondPageBytes)
    }
  }

  /// Takes the blocks that were decoded from some of these bytes of a page out of its list, and out of that of the
  /// other page where they cross pages. `retire` has each one's number.
  func remove(_ page: Int, _ stored: Range<Int>, _ retire: (Int32) -> Void) {
    var number = firstBlocks[page] - 1
    var kept: UInt64 = 0
    var previous: Int32 = -1
    while number >= 0 {
      let block = blocks + Int(number)
      let next = next(block, page)
      let (first, second) = bytes(of: block, in: page)
      if first.overlaps(stored) || second.overlaps(stored) {
        retire(number)
        unlinkFromOtherPage(number, block, page)
        setNext(page, previous, next)
      } else {
        kept |= cover(first) | cover(second)
        previous = number
      }
      number = next
    }
    covers[page] = kept
  }

  /// The lists of a block's pages are empty from now on.
  func clear(pagesOf block: Block) {
    for page in [block.pageNumber, block.secondPageNumber] where page >= 0 {
      firstBlocks[Int(page)] = 0
      covers[Int(page)] = 0
    }
  }

  private func bytes(ofFirstPage block: Block) -> Range<Int> {
    let offset = Int(block.physical & 0xfff)
    return offset..<min(offset + Int(block.length), 0x1000)
  }

  /// No instruction has more in its second page.
  private static var secondPageBytes: Range<Int> { 0..<16 }

  /// The 64-byte pieces of a page that some bytes of it touch.
  private func cover(_ bytes: Range<Int>) -> UInt64 {
    guard !bytes.isEmpty else { return 0 }
    let (first, last) = (bytes.lowerBound >> 6, (bytes.upperBound - 1) >> 6)
    return (UInt64.max >> UInt64(63 - (last - first))) << UInt64(first)
  }

  /// The bytes of a page that a block was decoded from, as its first and as its second page.
  private func bytes(of block: UnsafeMutablePointer<Block>, in page: Int) -> (first: Range<Int>, second: Range<Int>) {
    let first = isListedAsSecond(block, page) ? 0..<0 : bytes(ofFirstPage: block.pointee)
    let isSecond = Int(block.pointee.secondPageNumber) == page
    return (first, isSecond ? PageBlocks.secondPageBytes : 0..<0)
  }

  /// The page's list goes on at `nextInSecondPage`.
  private func isListedAsSecond(_ block: UnsafeMutablePointer<Block>, _ page: Int) -> Bool {
    block.pointee.crossesPages && Int(block.pointee.pageNumber) != page
  }

  private func next(_ block: UnsafeMutablePointer<Block>, _ page: Int) -> Int32 {
    isListedAsSecond(block, page) ? block.pointee.nextInSecondPage : block.pointee.nextInPage
  }

  /// Makes `next` follow `previous` (or lead, for -1) in a page's list.
  private func setNext(_ page: Int, _ previous: Int32, _ next: Int32) {
    guard previous >= 0 else {
      firstBlocks[page] = next + 1
      return
    }
    let block = blocks + Int(previous)
    if isListedAsSecond(block, page) {
      block.pointee.nextInSecondPage = next
    } else {
      block.pointee.nextInPage = next
    }
  }

  /// A block across two pages stands in two lists: takes it out of the one that is not this page's.
  private func unlinkFromOtherPage(_ number: Int32, _ block: UnsafeMutablePointer<Block>, _ page: Int) {
    guard block.pointee.crossesPages else { return }
    let isSecond = isListedAsSecond(block, page)
    let other = Int(isSecond ? block.pointee.pageNumber : block.pointee.secondPageNumber)
    guard other >= 0, other != page else { return }
    var previous: Int32 = -1
    var at = firstBlocks[other] - 1
    while at >= 0 {
      let here = blocks + Int(at)
      let next = next(here, other)
      if at == number {
        setNext(other, previous, next)
        return
      }
      previous = at
      at = next
    }
  }
}
