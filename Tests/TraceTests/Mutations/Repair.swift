import Support
import VMMCore

@testable import Trace

/// After one thing was changed, what follows from it: numbers of chunks, counts of events, the index, digests of
/// images. Some of it is left wrong at times, so that this is the lie.
extension TraceSurgery {
  /// What was made right.
  mutating func repair(_ random: inout SeededRandom) -> String {
    var done: [String] = []
    if !keepsNumbers { number() }
    if random.oneIn(2) {
      done.append("images")
      repairImages()
    }
    if !keepsOrdinals, random.chance(80) {
      done.append("counts")
      repairCounts()
    }
    switch random.below(5) {
    case 0: break
    case 1:
      done.append("no index")
      removeIndex()
      if !keepsNumbers { number() }
    default:
      done.append("index")
      rebuildIndex()
    }
    return "right: \(done.joined(separator: ", "))"
  }

  private mutating func repairImages() {
    var image: Int?
    var bytes: [UInt8] = []
    func finish(_ chunks: inout [Chunk]) {
      guard let image, var record = try? ImageRecord(decoding: chunks[image].raw) else { return }
      record.digest = Digest.of(bytes)
      if record.encoded() != chunks[image].raw { chunks[image].raw = record.encoded() }
    }
    for index in chunks.indices {
      switch chunks[index].header.kind {
      case .image:
        finish(&chunks)
        (image, bytes) = (index, [])
      case .imagePiece: bytes += chunks[index].raw
      default: break
      }
    }
    finish(&chunks)
  }

  private mutating func repairCounts() {
    var count: UInt64 = 0
    for index in chunks.indices {
      chunks[index].header.firstOrdinal = count
      switch chunks[index].header.kind {
      case .events:
        var decoder = EventDecoder(chunks[index].raw)
        while !decoder.isAtEnd, let event = try? decoder.next() {
          switch event {
          case .interaction, .delivery: count += 1
          case .digest, .detail, .mark, .end: break
          }
        }
      case .closing:
        var raw = Array(chunks[index].raw.prefix(8))
        for byte in 0..<8 { raw.append(UInt8(truncatingIfNeeded: count >> UInt64(8 * byte))) }
        if raw.count == chunks[index].raw.count { chunks[index].raw = raw }
      default: break
      }
    }
  }

  private mutating func rebuildIndex() {
    guard let index = chunks.firstIndex(where: { $0.header.kind == .index }) else { return }
    var offset = UInt64(TraceFormat.fileHeaderSize)
    var before: [ChunkInfo] = []
    for chunk in chunks[..<index] {
      before.append(ChunkInfo(chunk.header, offset: offset))
      offset += UInt64(TraceFormat.chunkHeaderSize + chunk.payload.count)
    }
    chunks[index].raw = IndexCoding.encode(before).first ?? [0]
    for closing in chunks.indices where chunks[closing].header.kind == .closing && chunks[closing].raw.count == 16 {
      var out = ByteWriter()
      out.append64(offset)
      chunks[closing].raw.replaceSubrange(0..<8, with: out.bytes)
    }
  }
}
