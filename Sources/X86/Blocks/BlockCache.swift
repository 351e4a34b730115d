/// Decoded code.
final class BlockCache {
  private let cpu: CPU

  init(cpu: CPU, pageCount: Int) { self.cpu = cpu }

  /// Forgets all blocks.
  func flush() {}

  /// Forgets the blocks that were decoded from these bytes of a page of guest memory.
  func invalidate(page: Int, offset: Int, count: Int) {}
}
