internal import CLZ4

/// Payloads as LZ4 blocks (without the LZ4 frame format around them).
enum LZ4Block {
  /// The block, or `nil` when it would not be smaller than the bytes themselves.
  static func compress(_ bytes: [UInt8]) -> [UInt8]? {
    guard bytes.count > 16 else { return nil }
    // One byte less room than the bytes take: liblz4 then gives up on what does not shrink.
    let room = bytes.count - 1
    let block = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
      let written = unsafe bytes.withUnsafeBytes { source in
        unsafe LZ4_compress_default(
          source.bindMemory(to: CChar.self).baseAddress,
          UnsafeMutableRawPointer(buffer.baseAddress!)
            .bindMemory(to: CChar.self, capacity: room), Int32(bytes.count), Int32(room))
      }
      count = max(0, Int(written))
    }
    return block.isEmpty ? nil : block
  }

  /// The bytes that the block holds, `nil` unless they are exactly `size`. liblz4 reads and writes within the given
  /// bounds whatever the block holds.
  static func decompress(_ block: [UInt8], size: Int) -> [UInt8]? {
    guard size > 0, !block.isEmpty else { return nil }
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      let written = unsafe block.withUnsafeBytes { source in
        unsafe LZ4_decompress_safe(
          source.bindMemory(to: CChar.self).baseAddress,
          UnsafeMutableRawPointer(buffer.baseAddress!)
            .bindMemory(to: CChar.self, capacity: size), Int32(block.count), Int32(size))
      }
      count = Int(written) == size ? size : 0
    }
    return bytes.isEmpty ? nil : bytes
  }
}
