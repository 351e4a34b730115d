#if canImport(Glibc)
  internal import Glibc
#endif

/// An anonymous mapping with pages around it that cannot be accessed: what reads past guest memory is stopped.
@safe
struct Mapping {
  /// A multiple of 2 MiB, so that the host can use huge pages.
  let host: UnsafeMutableRawPointer
  private let base: UnsafeMutableRawPointer
  private let total: Int

  private static let alignment = 2 << 20

  /// `size` bytes, a multiple of the page size.
  init?(size: Int) {
    let whole = size + 2 * Mapping.alignment
    // MAP_NORESERVE: the guest's memory costs what the guest touches.
    let start = unsafe mmap(
      nil, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let start = unsafe start, unsafe start != MAP_FAILED else { return nil }
    // At least one page lies before it, and one behind it.
    let first = Int(bitPattern: start) + 4096
    let aligned = (first + Mapping.alignment - 1) / Mapping.alignment * Mapping.alignment
    unsafe host = start + (aligned - Int(bitPattern: start))
    unsafe base = start
    total = whole
    guard unsafe mprotect(host, size, PROT_READ | PROT_WRITE) == 0 else {
      unmap()
      return nil
    }
  }

  func unmap() { unsafe munmap(base, total) }
}
