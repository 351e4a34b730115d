#if canImport(Glibc)
  internal import Glibc
#endif

/// Memory for host code. It is writable or executable, never both.
final class CodeMemory {
  /// Bytes.
  let size: Int
  let start: UnsafeMutablePointer<UInt8>

  /// `nil` where a process may have no such memory, as under some hardened kernels.
  init?(size: Int) {
    self.size = size
    guard
      let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      memory != MAP_FAILED
    else { return nil }
    start = memory.assumingMemoryBound(to: UInt8.self)
    guard mprotect(start, size, PROT_READ | PROT_EXEC) == 0 else { return nil }
  }

  deinit { munmap(start, size) }

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
