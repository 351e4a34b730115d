/// The numbers of the trace format; FORMAT.md says what they mean.
public enum TraceFormat {
  /// The version that this module writes, and the latest that it reads.
  public static let version: UInt32 = 1

  static let magic: [UInt8] = [0x89, 0x43, 0x48, 0x56, 0x0d, 0x0a, 0x1a, 0x0a]
  /// Magic, version and a reserved word.
  static let fileHeaderSize = 16
  static let chunkMarker: UInt32 = 0x4b4e_4843
  static let chunkHeaderSize = 56

  /// A chunk of events is cut when its records reach this many bytes.
  static let eventChunkSize = 64 << 10
  /// Bytes of an image in one chunk.
  static let imagePieceSize = 1 << 20
  /// Entries in one index chunk.
  static let indexEntries = 1 << 16

  /// Bytes in the closing chunk.
  static let closingSize = 16

  // What a reader refuses to go beyond.
  static let maximumRawSize = 4 << 20
  static let maximumExpansion = 255
  static let maximumImages = 64
  static let maximumImageBytes: UInt64 = 1 << 30
  static let maximumPlacements = 4096
  static let maximumPlacedBytes: UInt64 = 2 << 30
  static let memorySizes: ClosedRange<UInt64> = 1 << 20...1 << 40
  static let maximumText = 64 << 10
  static let maximumLeaves = 256

  /// The longest memory write that one delivery may hold; a longer one is several deliveries.
  public static let maximumMemoryWrite = 1 << 20

  static var fileHeader: [UInt8] {
    var bytes = ByteWriter()
    bytes.append(contentsOf: magic)
    bytes.append32(version)
    bytes.append32(0)
    return bytes.bytes
  }
}

/// What a chunk holds.
struct ChunkKind: RawRepresentable, Hashable, Sendable {
  var rawValue: UInt16
  static let machine = ChunkKind(rawValue: 1)
  static let image = ChunkKind(rawValue: 2)
  static let imagePiece = ChunkKind(rawValue: 3)
  static let placements = ChunkKind(rawValue: 4)
  /// The CPU's initial state, which ends the description of the guest.
  static let state = ChunkKind(rawValue: 5)
  static let events = ChunkKind(rawValue: 6)
  static let index = ChunkKind(rawValue: 7)
  static let closing = ChunkKind(rawValue: 8)

  var isKnown: Bool { (1...8).contains(rawValue) }
}

struct ChunkFlags: OptionSet, Sendable {
  var rawValue: UInt16
  /// A reader that does not know the kind skips the chunk.
  static let optional = ChunkFlags(rawValue: 1)
  /// The payload is an LZ4 block.
  static let compressed = ChunkFlags(rawValue: 2)
  static let known: ChunkFlags = [.optional, .compressed]
}
