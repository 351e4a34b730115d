internal import VMMCore

/// The fixed part before each chunk's payload (FORMAT.md, "Chunks").
struct ChunkHeader: Equatable, Sendable {
  var kind: ChunkKind
  var flags: ChunkFlags
  /// The chunk's number in the file, from 0.
  var sequence: UInt32
  var vcpu: UInt32 = 0
  /// Bytes of the payload as it stands in the file.
  var storedSize: UInt32
  /// Bytes of the payload as it is read.
  var rawSize: UInt32
  /// How many events are complete before the chunk.
  var firstOrdinal: UInt64
  /// Host nanoseconds since the recording began, for people only.
  var elapsed: UInt64
  /// The digest of the payload as it stands in the file.
  var payloadDigest: UInt64

  /// The header's bytes, ending in the digest that covers them. `key` names the file.
  func encoded(key: UInt64) -> [UInt8] {
    var out = ByteWriter()
    out.reserve(TraceFormat.chunkHeaderSize)
    out.append32(TraceFormat.chunkMarker)
    out.append16(kind.rawValue)
    out.append16(flags.rawValue)
    out.append32(sequence)
    out.append32(vcpu)
    out.append32(storedSize)
    out.append32(rawSize)
    out.append64(firstOrdinal)
    out.append64(elapsed)
    out.append64(payloadDigest)
    out.append64(ChunkHeader.digest(out.bytes, key: key))
    return out.bytes
  }

  /// Reads a header of `TraceFormat.chunkHeaderSize` bytes; the reason when it is none.
  static func decode(_ bytes: [UInt8], key: UInt64) -> Result<ChunkHeader, DecodingError> {
    do throws(DecodingError) {
      var input = ByteReader(bytes)
      guard try input.read32() == TraceFormat.chunkMarker else { throw input.fail("no chunk begins here") }
      let header = ChunkHeader(
        kind: ChunkKind(rawValue: try input.read16()), flags: ChunkFlags(rawValue: try input.read16()),
        sequence: try input.read32(), vcpu: try input.read32(), storedSize: try input.read32(),
        rawSize: try input.read32(), firstOrdinal: try input.read64(), elapsed: try input.read64(),
        payloadDigest: try input.read64())
      let covered = [UInt8](bytes.prefix(TraceFormat.chunkHeaderSize - 8))
      guard try input.read64() == digest(covered, key: key) else {
        throw input.fail("the checksum of a chunk header is wrong")
      }
      return .success(header)
    } catch {
      return .failure(error)
    }
  }

  /// What only a later version can read; `nil` when this one can. Unknown optional kinds are skipped and fine.
  var unknownFeature: String? {
    if !kind.isKnown { return flags.contains(.optional) ? nil : "a chunk of kind \(kind.rawValue)" }
    if !flags.subtracting(.known).isEmpty { return "chunk flags \(hex(flags.rawValue))" }
    return vcpu == 0 ? nil : "events of vCPU \(vcpu)"
  }

  /// Why sizes or flags cannot be right; `nil` when they can.
  var flaw: String? {
    guard kind.isKnown else { return nil }
    if flags.contains(.optional), kind != .index { return "a chunk to be skipped that must not be skipped" }
    if flags.contains(.compressed), kind == .closing { return "a closing chunk that is compressed" }
    if Int(rawSize) > TraceFormat.maximumRawSize { return "a chunk of \(rawSize) bytes" }
    if rawSize == 0 { return "an empty chunk" }
    if flags.contains(.compressed) {
      if storedSize >= rawSize { return "a compressed chunk that is no smaller than its contents" }
      if UInt64(rawSize) > UInt64(storedSize) * UInt64(TraceFormat.maximumExpansion) {
        return "a chunk that would grow from \(storedSize) to \(rawSize) bytes"
      }
    } else if storedSize != rawSize {
      return "a chunk with two sizes"
    }
    return nil
  }

  /// The digest at a header's end. The key makes a chunk of another file count as damage.
  private static func digest(_ bytes: [UInt8], key: UInt64) -> UInt64 {
    var digest = Digest(raw: key)
    unsafe bytes.withUnsafeBytes { unsafe digest.fold(bytes: $0) }
    return digest.value
  }

  /// The key of the first chunk; every other chunk's is the digest at the end of the first chunk's header.
  static let firstKey = Digest.of(TraceFormat.fileHeader)

  /// The key of all chunks but the first, from the first one's header.
  static func key(fromFirst header: [UInt8]) -> UInt64 {
    var key: UInt64 = 0
    for byte in header.suffix(8).reversed() { key = key << 8 | UInt64(byte) }
    return key
  }
}
