import GuestMemory
import Testing
import VMMCore

/// Where RAM is, and what lies beside it.
@Suite struct MemoryLayoutTests {
  /// RAM of more than 3 GiB goes on at 4 GiB, and the pages are numbered through.
  @Test func ramGoesOnBehindTheHole() throws {
    let memory = try GuestMemory(size: GuestMemory.holeStart + 1 << 20)
    let (below, above) = (GuestPhysicalAddress(GuestMemory.holeStart - 1), GuestPhysicalAddress(1 << 32))
    let index = Int(GuestMemory.holeStart) / pageSize
    #expect(memory.pageIndex(of: below) == index - 1)
    #expect(memory.pageIndex(of: above) == index)
    #expect(memory.address(ofPage: index) == above)
    #expect(memory.store(UInt16(0x1234), at: above))
    #expect(memory.load(above, as: UInt16.self) == 0x1234)
    #expect(memory.takeDirtyPages() == [index])
    #expect(memory.region(holding: GuestPhysicalAddress(GuestMemory.holeStart)) == nil)
    #expect(memory.load(below, as: UInt16.self) == nil)
    #expect(memory.read(GuestPhysicalAddress((1 << 32) + 1 << 20), count: 1) == nil)
  }

  @Test(arguments: [0, 4096, (1 << 20) + 1, 1 << 41]) func sizesThatCannotBeAreRefused(size: UInt64) {
    #expect(throws: GuestMemoryError.self) { try GuestMemory(size: size) }
  }

  /// However it came about, the same memory has the same digest, and zeros count nothing.
  @Test func theDigestIsThatOfTheContent() throws {
    let (one, other) = (try GuestMemory(size: 1 << 20), try GuestMemory(size: 1 << 20))
    let (digest, otherDigest) = (MemoryDigest(of: one), MemoryDigest(of: other))
    let (first, second) = (GuestPhysicalAddress(0x5008), GuestPhysicalAddress(0x9000))
    #expect(one.store(UInt64(7), at: first))
    #expect(one.store(UInt64(8), at: second))
    digest.update(pages: one.takeDirtyPages())
    #expect(other.store(UInt64(8), at: second))
    otherDigest.update(pages: other.takeDirtyPages())
    #expect(digest.value != otherDigest.value)
    #expect(other.store(UInt64(7), at: first))
    otherDigest.update(pages: other.takeDirtyPages())
    #expect(digest.value == otherDigest.value)
    for address in [first, second] { #expect(one.store(UInt64(0), at: address)) }
    digest.update(pages: one.takeDirtyPages())
    #expect(digest.value == 0)
  }
}
