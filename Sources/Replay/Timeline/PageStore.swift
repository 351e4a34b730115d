#if canImport(Glibc)
  internal import Glibc
#endif
internal import GuestMemory
internal import VMMCore

/// Where copies of guest pages live, and how many bytes they take.
final class PagePool {
  private(set) var bytes = 0

  func copy(of host: UnsafeRawPointer) -> PageCopy {
    bytes += pageSize
    return unsafe PageCopy(host, pool: self)
  }

  fileprivate func released() { bytes -= pageSize }
}

/// What one page held once. Never changes, so that any number of memory images share it.
@safe
final class PageCopy {
  /// `pageSize` bytes, owned.
  private let storage: UnsafeMutableRawPointer
  private let pool: PagePool

  fileprivate init(_ host: UnsafeRawPointer, pool: PagePool) {
    self.pool = pool
    unsafe storage = .allocate(byteCount: pageSize, alignment: 64)
    unsafe storage.copyMemory(from: host, byteCount: pageSize)
  }

  deinit {
    unsafe storage.deallocate()
    pool.released()
  }

  /// Copies the page to `host`, which has room for it.
  func restore(to host: UnsafeMutableRawPointer) {
    unsafe host.copyMemory(from: storage, byteCount: pageSize)
  }
}

/// The whole guest memory as it was at one moment: a table of leaves, shared with other images as far as they agree.
struct MemoryImage {
  /// Pages of a leaf.
  static let leafPages = 128

  /// A run of pages; `nil` for a page of zeros.
  private final class Leaf {
    var pages: [PageCopy?]
    init(_ pages: [PageCopy?]) { self.pages = pages }
  }

  /// `nil` for a leaf of zeros.
  private var leaves: [Leaf?]

  /// A memory of zeros.
  init(pageCount: Int) {
    leaves = Array(repeating: nil, count: (pageCount + MemoryImage.leafPages - 1) / MemoryImage.leafPages)
  }

  subscript(page: Int) -> PageCopy? {
    leaves[page / MemoryImage.leafPages]?.pages[page % MemoryImage.leafPages]
  }

  /// The image in which the given pages (ascending) are what they are in `memory` now.
  func updated(pages: [Int], from memory: GuestMemory, pool: PagePool) -> MemoryImage {
    var image = self
    var index = 0
    while index < pages.count {
      let number = pages[index] / MemoryImage.leafPages
      var content = leaves[number]?.pages ?? Array(repeating: nil, count: MemoryImage.leafPages)
      while index < pages.count, pages[index] / MemoryImage.leafPages == number {
        let host = unsafe memory.host(ofPage: pages[index])
        content[pages[index] % MemoryImage.leafPages] = unsafe pool.copy(of: host)
        index += 1
      }
      image.leaves[number] = Leaf(content)
    }
    return image
  }

  /// The pages, ascending, in which two images do not share what they hold.
  func differences(from other: MemoryImage) -> [Int] {
    var pages: [Int] = []
    for number in leaves.indices where leaves[number] !== other.leaves[number] {
      let (mine, its) = (leaves[number]?.pages, other.leaves[number]?.pages)
      for index in 0..<MemoryImage.leafPages where mine?[index] !== its?[index] {
        pages.append(number * MemoryImage.leafPages + index)
      }
    }
    return pages
  }

  /// Makes a page of `memory` what it is here.
  func restore(page: Int, in memory: GuestMemory) {
    let host = unsafe memory.host(ofPage: page)
    if let copy = self[page] {
      unsafe copy.restore(to: host)
    } else {
      unsafe host.initializeMemory(as: UInt8.self, repeating: 0, count: pageSize)
    }
  }
}
