import Testing
import VMMCore

@testable import GuestMemory

/// Which pages count as written, and who gets to know.
@Suite struct DirtySetTests {
  private let memory: GuestMemory
  private let last: Int

  init() throws {
    memory = try GuestMemory(size: 1 << 20)
    last = memory.pageCount - 1
  }

  /// Words and their borders: 63 and 64 lie in two.
  @Test func takingGivesEachPageOnceInOrderAndLeavesNone() {
    for page in [64, 0, last, 63, 130, 64] { memory.markDirty(page) }
    #expect(memory.takeDirtyPages() == [0, 63, 64, 130, last])
    #expect(memory.takeDirtyPages() == [])
  }

  @Test func aWriteMarksThePagesItTouches() {
    let bytes = [UInt8](repeating: 1, count: 2 * pageSize)
    #expect(memory.write(bytes, at: GuestPhysicalAddress(UInt64(3 * pageSize - 1))))
    #expect(memory.takeDirtyPages() == [2, 3, 4])
    #expect(!memory.write(bytes, at: GuestPhysicalAddress(memory.size - 1)))
    #expect(memory.write([], at: GuestPhysicalAddress(0)))
    #expect(memory.takeDirtyPages() == [])
  }

  @Test func whatWasSetAsideComesBackAndWhatWasWrittenMeanwhileIsTold() {
    for page in [5, 70] { memory.markDirty(page) }
    let earlier = memory.takeDirtyPages()
    for page in [70, 2, last] { memory.markDirty(page) }
    #expect(memory.putBackDirtyPages(earlier) == [2, 70, last])
    #expect(memory.takeDirtyPages() == [2, 5, 70, last])
    #expect(memory.putBackDirtyPages([]) == [])
    #expect(memory.takeDirtyPages() == [])
  }

  @Test func aPageSetIsTakenAsAWhole() {
    var pages = PageSet(pageCount: 130)
    for page in [129, 64, 63, 0, 64] { pages.insert(page) }
    #expect(pages.takeAll() == [0, 63, 64, 129])
    #expect(pages.takeAll() == [])
  }

  @Test func bitsAreNumberedThroughAllWords() {
    #expect([UInt64]().bitNumbers == [])
    #expect([0, 1 << 63 | 1, 0, 2].bitNumbers == [64, 127, 193])
    #expect([UInt64.max].bitNumbers == Array(0..<64))
  }
}
