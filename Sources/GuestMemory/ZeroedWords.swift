#if canImport(Glibc)
  internal import Glibc
#endif

/// Words that are 0 at first and cost nothing until they are written: what is kept for each page of a large guest
/// memory takes room for the pages that are touched. Owns them.
@safe
final class ZeroedWords {
  let words: UnsafeMutableBufferPointer<UInt64>

  init(count: Int) {
    // Large pieces come straight from the kernel, which maps a page of them at the first write. Where there is no room
    // for this, there was none for the guest's memory, which is 512 times as large.
    guard let memory = unsafe calloc(max(1, count), MemoryLayout<UInt64>.stride) else { fatalError("out of memory") }
    unsafe words = UnsafeMutableBufferPointer(
      start: memory.bindMemory(to: UInt64.self, capacity: count), count: count)
  }

  deinit { unsafe free(words.baseAddress) }
}
