internal import CMemory

#if canImport(Glibc)
  internal import Glibc
#endif

/// Memory for host code, and words within its reach that it has of its own. The code has two mappings: one to write to
/// and one to execute; the words are never executable.
final class CodeMemory {
  /// Bytes of code.
  let size: Int
  /// Where the code is executed.
  let start: UnsafeMutablePointer<UInt8>
  /// Where it is written.
  let writable: UnsafeMutablePointer<UInt8>
  let words: UnsafeMutablePointer<UInt64>
  let wordCount: Int

  /// `nil` where a process may have no such memory, as under some hardened kernels. `size` is a multiple of 4096.
  init?(size: Int, wordCount: Int) {
    let all = size + wordCount * MemoryLayout<UInt64>.size
    precondition(size & 0xfff == 0 && all < 1 << 30, "a jump reaches 2 GiB")
    let file = memfd_create("translated code", CodeMemory.closesOnExec)
    guard file >= 0 else { return nil }
    defer { close(file) }
    guard ftruncate(file, size) == 0,
      let words = CodeMemory.map(nil, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1)
    else { return nil }
    // In the place of the begin of what is there for the words.
    guard let code = CodeMemory.map(words, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, file),
      let writable = CodeMemory.map(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file)
    else {
      munmap(words, all)
      return nil
    }
    self.size = size
    self.wordCount = wordCount
    start = code.assumingMemoryBound(to: UInt8.self)
    self.writable = writable.assumingMemoryBound(to: UInt8.self)
    self.words = (words + size).bindMemory(to: UInt64.self, capacity: wordCount)
  }

  deinit {
    munmap(start, size + wordCount * MemoryLayout<UInt64>.size)
    munmap(writable, size)
  }

  /// From the end of a branch to where it leads. That may change while the branch is not being executed, as code that
  /// is new may be written: CPUs look for stores to code that they hold by physical address, so by either mapping.
  func distance(of branch: Assembler.Branch) -> Int32 {
    UnsafeRawPointer(writable + branch.end - 4).loadUnaligned(as: Int32.self)
  }

  func setDistance(of branch: Assembler.Branch, _ distance: Int32) {
    UnsafeMutableRawPointer(writable + branch.end - 4).storeBytes(of: distance, as: Int32.self)
  }

  /// MFD_CLOEXEC (memfd_create(2)).
  private static let closesOnExec: UInt32 = 1

  private static func map(
    _ address: UnsafeMutableRawPointer?, _ count: Int, _ protection: Int32, _ flags: Int32, _ file: Int32
  ) -> UnsafeMutableRawPointer? {
    let memory = mmap(address, count, protection, flags, file, 0)
    return memory == MAP_FAILED ? nil : memory
  }
}
