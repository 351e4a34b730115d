internal import VMMCore

/// A chunk's payload as it is to stand in the file; where that is does not matter yet.
struct PreparedChunk: Sendable {
  var kind: ChunkKind
  var flags: ChunkFlags
  /// Bytes of the payload as it is read.
  var rawSize: Int
  /// The payload as it stands in the file, and the digest of that.
  var stored: [UInt8]
  var digest: UInt64

  init(_ kind: ChunkKind, _ raw: [UInt8], flags: ChunkFlags = [], compress: Bool = true) {
    let block = compress ? LZ4Block.compress(raw) : nil
    self.kind = kind
    self.flags = block == nil ? flags : flags.union(.compressed)
    rawSize = raw.count
    stored = block ?? raw
    digest = Digest.of(stored)
  }

  /// The guest behind its description: images, placements, state (FORMAT.md).
  static func chunks(of machine: InitialMachine) -> [PreparedChunk] {
    var chunks: [PreparedChunk] = []
    for image in machine.images {
      chunks.append(PreparedChunk(.image, ImageRecord(image).encoded()))
      for start in stride(from: 0, to: image.bytes.count, by: TraceFormat.imagePieceSize) {
        let end = min(start + TraceFormat.imagePieceSize, image.bytes.count)
        chunks.append(PreparedChunk(.imagePiece, [UInt8](image.bytes[start..<end])))
      }
    }
    // The state comes last: where it stands, the guest is whole.
    return chunks + placements(machine.placements) + [PreparedChunk(.state, machine.state.encoded())]
  }

  private static func placements(_ placements: [Placement]) -> [PreparedChunk] {
    var chunks: [PreparedChunk] = []
    var out = ByteWriter()
    for placement in placements {
      PlacementCoding.append(placement, to: &out)
      if out.count >= TraceFormat.imagePieceSize {
        chunks.append(PreparedChunk(.placements, out.bytes))
        out.removeAll()
      }
    }
    return out.count > 0 ? chunks + [PreparedChunk(.placements, out.bytes)] : chunks
  }
}
