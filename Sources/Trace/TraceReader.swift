public import VMMCore

/// Reads a trace. The file is taken for hostile: every length is checked before anything is allocated, and whatever is
/// wrong comes out as a `TraceError` or as `damage` that names the file offset.
///
/// Opening reads the header and the list of chunks; contents are read, checked and unpacked one chunk at a time, when
/// they are used. Any thread may use it.
public final class TraceReader: Sendable {
  public let path: String
  /// Bytes in the file.
  public let fileSize: UInt64
  public let formatVersion: UInt32
  public let header: TraceHeader
  /// The recording was closed in order. Otherwise it was cut off, and what is there can be used up to its end.
  public let isComplete: Bool
  /// The first place where a chunk begins that cannot be right; everything before it can be used. Damage inside a
  /// chunk shows when the chunk is read.
  public let damage: TraceDamage?
  /// The chunks of events, in order.
  public let eventChunks: [EventChunk]
  /// The guest's images, without their bytes.
  public let images: [ImageSummary]
  /// Host nanoseconds from the begin of the recording to its last chunk.
  public let duration: UInt64

  let file: ChunkFile
  let closing: ChunkInfo?
  /// How many events a trace that was closed holds.
  let eventCount: UInt64?
  private let contents: TraceContents

  /// A chunk of events.
  public struct EventChunk: Equatable, Sendable {
    /// How many events are complete before it.
    public var firstOrdinal: UInt64
    /// Where it begins in the file.
    public var offset: UInt64
    /// Host nanoseconds since the recording began, when it was written.
    public var elapsed: UInt64
    let info: ChunkInfo
  }

  /// An image without its bytes.
  public struct ImageSummary: Equatable, Sendable {
    public var role: GuestImage.Role
    /// The file's name without its directory.
    public var name: String
    /// Bytes.
    public var size: UInt64
    /// `Digest.of` its bytes.
    public var digest: UInt64
  }

  public init(path: String) throws(TraceError) {
    self.path = path
    let input = try InputFile(opening: path)
    fileSize = input.size
    formatVersion = try TraceReader.checkFileHeader(input)
    file = ChunkFile(input: input, key: try TraceReader.key(of: input))
    let table = try ChunkTable(of: file)
    contents = try TraceContents(table, file)
    header = try contents.header(file)
    images = contents.images.map {
      ImageSummary(role: $0.record.role, name: $0.record.name, size: $0.record.size, digest: $0.record.digest)
    }
    eventChunks = contents.events.map {
      EventChunk(firstOrdinal: $0.firstOrdinal, offset: $0.offset, elapsed: $0.elapsed, info: $0)
    }
    duration = table.chunks.last?.elapsed ?? 0
    var found = contents.damage
    var record: ClosingRecord?
    if found == nil, let chunk = table.closing {
      record = ClosingRecord(try? file.payload(of: chunk))
      if record == nil { found = TraceDamage(offset: chunk.offset, reason: "the closing chunk is wrong") }
    }
    damage = found
    closing = record == nil ? nil : table.closing
    eventCount = record?.events
    isComplete = record != nil
  }

  /// The guest as it was before its first instruction. Reads and checks all images.
  public func initialMachine() throws(TraceError) -> InitialMachine {
    try contents.machine(file, memorySize: header.memorySize)
  }

  /// A cursor before the first event.
  public func makeCursor() -> TraceCursor { TraceCursor(self) }
}

extension TraceReader {
  /// The file begins as a trace does. False for what cannot be read.
  public static func isTrace(_ path: String) -> Bool {
    guard let file = try? InputFile(opening: path) else { return false }
    return (try? file.read(at: 0, count: TraceFormat.magic.count)) == TraceFormat.magic
  }

  /// The format version of a file that begins as a trace does.
  private static func checkFileHeader(_ input: InputFile) throws(TraceError) -> UInt32 {
    let start = try input.read(at: 0, count: TraceFormat.fileHeaderSize)
    guard !start.isEmpty, start.starts(with: TraceFormat.magic) || TraceFormat.magic.starts(with: start) else {
      throw TraceError(
        .notATrace, "\(input.path): not a chronovisor trace (\(start.isEmpty ? "it is empty" : "wrong first bytes"))")
    }
    guard start.count == TraceFormat.fileHeaderSize else { throw .unusable(input.path, input.size) }
    var version: UInt32 = 0
    for byte in start[8..<12].reversed() { version = version << 8 | UInt32(byte) }
    guard version == TraceFormat.version else {
      throw TraceError(
        .unsupported,
        "\(input.path): trace format version \(version), and this chronovisor reads version \(TraceFormat.version)")
    }
    guard start == TraceFormat.fileHeader else { throw .damaged(input.path, 12, "the reserved word is not 0") }
    return version
  }

  /// The key that the first chunk's header gives to all others.
  private static func key(of input: InputFile) throws(TraceError) -> UInt64 {
    let offset = UInt64(TraceFormat.fileHeaderSize)
    let bytes = try input.read(at: offset, count: TraceFormat.chunkHeaderSize)
    guard bytes.count == TraceFormat.chunkHeaderSize else { throw .unusable(input.path, input.size) }
    if case .failure(let error) = ChunkHeader.decode(bytes, key: ChunkHeader.firstKey) {
      throw .damaged(input.path, offset, error.reason)
    }
    return ChunkHeader.key(fromFirst: bytes)
  }
}
