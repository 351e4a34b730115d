internal import VMMCore

/// The digest of the whole guest memory, kept up to date by the pages that changed: the sum of the digests of all its
/// pages. A page of zeros counts nothing, so memory that was never touched is neither read nor paid for.
@safe
public final class MemoryDigest {
  private let memory: GuestMemory
  private let pageDigests: ZeroedWords
  /// The digest of the memory as it was at the last `update`.
  public private(set) var value: UInt64 = 0

  /// All pages in `memory` that are not dirty must still be zero.
  public init(of memory: GuestMemory) {
    self.memory = memory
    pageDigests = ZeroedWords(count: memory.pageCount)
  }

  /// Takes in the given pages anew.
  public func update(pages: [Int]) {
    for index in pages {
      let digest = MemoryDigest.ofPage(index, in: memory)
      let earlier = ofPage(index)
      guard digest != earlier else { continue }
      value = value &- earlier &+ digest
      unsafe pageDigests.words[index] = digest
    }
  }

  /// The digest of one page as it was at the last `update`.
  public func ofPage(_ index: Int) -> UInt64 {
    precondition(index >= 0 && index < memory.pageCount, "page index out of range")
    return unsafe pageDigests.words[index]
  }

  /// The digest of one page as it is now; 0 for a page of zeros.
  public static func ofPage(_ index: Int, in memory: GuestMemory) -> UInt64 {
    let host = unsafe memory.host(ofPage: index)
    if unsafe isZero(host) { return 0 }
    return unsafe Digest.ofPage(host, page: memory.address(ofPage: index).rawValue / UInt64(pageSize))
  }

  private static func isZero(_ page: UnsafeRawPointer) -> Bool {
    var offset = 0
    while offset < pageSize {
      if unsafe page.load(fromByteOffset: offset, as: UInt64.self) != 0 { return false }
      offset += 8
    }
    return true
  }
}
