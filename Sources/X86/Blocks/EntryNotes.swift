#if canImport(Glibc)
  internal import Glibc
#endif

/// Which blocks have been entered: footprints are made of that. One byte for each block, which its head sets, whoever
/// enters it.
struct EntryNotes: ~Copyable {
  private let bytes: UnsafeMutablePointer<UInt8>
  /// Translated code sets the bytes, too: from the first footprint on.
  var areTakenByCode = false

  init() { bytes = zeroedMemory(BlockStore.blockCapacity) }

  deinit { free(bytes) }

  /// The byte of a block.
  func byte(_ number: Int) -> UnsafeMutablePointer<UInt8> { bytes + number }

  /// No block has been entered.
  func clear(_ count: Int) { bytes.update(repeating: 0, count: count) }

  /// The blocks among the first `count` that have been entered, which is forgotten.
  func take(_ count: Int, _ body: (Int) -> Void) {
    // Between two steps of a debugger next to none have been: eight at a time.
    let words = UnsafeRawPointer(bytes)
    for first in stride(from: 0, to: count, by: 8) where words.load(fromByteOffset: first, as: UInt64.self) != 0 {
      for number in first..<min(first + 8, count) where bytes[number] != 0 {
        body(number)
        bytes[number] = 0
      }
    }
  }
}
