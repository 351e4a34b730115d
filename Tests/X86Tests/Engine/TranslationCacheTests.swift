import Testing

@testable internal import X86

/// The places of pages in the translation cache.
@Suite struct TranslationCacheTests {
  /// The fast way finds an access over a page's end by the tag alone, so the next page must not be in the same entry.
  @Test func neighboursNeverShareAnEntry() {
    for page in UInt64(0)...(1 << 21) {
      let (here, next) = (TLB.offset(page << 12), TLB.offset((page + 1) << 12 | 0xfff))
      guard here != next else {
        Issue.record("page \(page) and the next one have the entry \(here)")
        return
      }
    }
  }

  @Test(arguments: [8, 16, 32, 64, 1024] as [UInt64])
  func largeBuffersDoNotCollide(megabytes: UInt64) {
    let (first, second) = (UInt64(0x7f00_0000_0000), 0x7f00_0000_0000 + megabytes << 20)
    #expect((0..<1024).allSatisfy { TLB.offset(first + $0 << 12) != TLB.offset(second + $0 << 12) })
  }
}
