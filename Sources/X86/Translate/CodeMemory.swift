#if canImport(Glibc)
  internal import Glibc
#endif

/// Memory for host code, and words within its reach that it jumps through. The code is writable or executable, never
/// both; the words are never executable.
final class CodeMemory {
  /// Bytes.
  let size: Int
  let start: UnsafeMutablePointer<UInt8>
  let words: UnsafeMutablePointer<UInt64>
  let wordCount: Int

  /// `nil` where a process may have no such memory, as under some hardened kernels. `size` is a multiple of 4096.
  init?(size: Int, wordCount: Int) {
    self.size = size
    self.wordCount = wordCount
    let all = size + wordCount * MemoryLayout<UInt64>.size
    precondition(size & 0xfff == 0 && all < 1 << 30, "a jump reaches 2 GiB")
    guard
      let memory = mmap(nil, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      memory != MAP_FAILED
    else { return nil }
    start = memory.assumingMemoryBound(to: UInt8.self)
    words = (memory + size).bindMemory(to: UInt64.self, capacity: wordCount)
    guard mprotect(start, size, PROT_READ | PROT_EXEC) == 0 else { return nil }
  }

  deinit { munmap(start, size + wordCount * MemoryLayout<UInt64>.size) }

  /// Lets `body` write code into so many bytes from an offset on; false, without calling it, when that cannot be.
  func write(at offset: Int, count: Int, _ body: () -> Void) -> Bool {
    let first = offset & ~0xfff
    let pages = (min(offset + count, size) - first + 0xfff) & ~0xfff
    guard mprotect(start + first, pages, PROT_READ | PROT_WRITE) == 0 else { return false }
    body()
    // What was executable can be made so again.
    let isExecutable = mprotect(start + first, pages, PROT_READ | PROT_EXEC) == 0
    precondition(isExecutable, "host code cannot be executed any more")
    return true
  }
}
