/// Where a chunk stands and what it begins with.
struct ChunkInfo: Equatable, Sendable {
  var kind: ChunkKind
  var flags: ChunkFlags
  /// Bytes from the begin of the file to the chunk's header.
  var offset: UInt64
  var firstOrdinal: UInt64
  /// Host nanoseconds since the recording began.
  var elapsed: UInt64
  var sequence: UInt32

  init(_ header: ChunkHeader, offset: UInt64) {
    kind = header.kind
    // How a payload is stored is the business of the chunk itself.
    flags = header.flags.intersection(.optional)
    self.offset = offset
    firstOrdinal = header.firstOrdinal
    elapsed = header.elapsed
    sequence = header.sequence
  }

  fileprivate init(following last: ChunkInfo?) {
    kind = .machine
    flags = []
    offset = last?.offset ?? 0
    firstOrdinal = last?.firstOrdinal ?? 0
    elapsed = last?.elapsed ?? 0
    sequence = last.map { $0.sequence &+ 1 } ?? 0
  }
}

/// The index: for each chunk before it its kind, its flags, and by how much its offset, first ordinal and time exceed
/// those of the chunk before.
enum IndexCoding {
  /// The payloads of the index chunks.
  static func encode(_ chunks: [ChunkInfo]) -> [[UInt8]] {
    var payloads: [[UInt8]] = []
    var out = ByteWriter()
    var last = ChunkInfo(following: nil)
    for (number, chunk) in chunks.enumerated() {
      out.append(varint: UInt64(chunk.kind.rawValue))
      out.append(varint: UInt64(chunk.flags.rawValue))
      out.append(varint: chunk.offset &- last.offset)
      out.append(varint: chunk.firstOrdinal &- last.firstOrdinal)
      out.append(varint: chunk.elapsed &- last.elapsed)
      last = chunk
      if (number + 1) % TraceFormat.indexEntries == 0 || number + 1 == chunks.count {
        payloads.append(out.bytes)
        out.removeAll()
      }
    }
    return payloads
  }

  /// Adds the entries of one index chunk to those of the index chunks before it. False when they are nonsense.
  static func decode(_ payload: [UInt8], into chunks: inout [ChunkInfo]) -> Bool {
    var input = ByteReader(payload)
    do throws(DecodingError) {
      while !input.isAtEnd {
        var entry = ChunkInfo(following: chunks.last)
        entry.kind = ChunkKind(rawValue: UInt16(try input.varint(upTo: 0xffff, "a kind")))
        entry.flags = ChunkFlags(rawValue: UInt16(try input.varint(upTo: 0xffff, "flags")))
        let distance = try input.varint()
        guard distance >= TraceFormat.fileHeaderSize, distance < 1 << 62 else { return false }
        entry.offset &+= distance
        guard entry.offset < 1 << 62 else { return false }
        entry.firstOrdinal &+= try input.varint()
        entry.elapsed &+= try input.varint()
        chunks.append(entry)
      }
    } catch {
      return false
    }
    return true
  }
}
