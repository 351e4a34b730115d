internal import VMMCore

extension TraceError {
  static func damaged(_ path: String, _ offset: UInt64, _ reason: String) -> TraceError {
    TraceError(
      .damaged(offset: offset), "\(path): \(TraceDamage(offset: offset, reason: reason))")
  }

  static func unsupported(_ path: String, _ offset: UInt64, _ feature: String) -> TraceError {
    TraceError(
      .unsupported,
      "\(path): offset \(offset) holds \(feature), which this version does not know; use a later chronovisor")
  }

  static func unusable(_ path: String, _ offset: UInt64) -> TraceError {
    TraceError(
      .unusable,
      "\(path): the recording was cut off at offset \(offset), before the guest was stored: there is nothing to replay")
  }
}

/// Reads single chunks of a file whose key is known.
struct ChunkFile: Sendable {
  let input: InputFile
  let key: UInt64

  /// The header at an offset; `nil` when the file ends before its end.
  func header(at offset: UInt64) throws(TraceError) -> Result<ChunkHeader, DecodingError>? {
    let bytes = try input.read(at: offset, count: TraceFormat.chunkHeaderSize)
    guard bytes.count == TraceFormat.chunkHeaderSize else { return nil }
    return ChunkHeader.decode(bytes, key: offset == UInt64(TraceFormat.fileHeaderSize) ? ChunkHeader.firstKey : key)
  }

  /// The contents of a chunk, checked and unpacked.
  func payload(of chunk: ChunkInfo) throws(TraceError) -> [UInt8] {
    func damage(_ reason: String) -> TraceError { .damaged(input.path, chunk.offset, reason) }
    guard let result = try header(at: chunk.offset) else { throw damage("the file ends inside a chunk") }
    let header: ChunkHeader
    switch result {
    case .success(let good): header = good
    case .failure(let error): throw damage(error.reason)
    }
    guard ChunkInfo(header, offset: chunk.offset) == chunk else { throw damage("another chunk than the index names") }
    if let feature = header.unknownFeature { throw .unsupported(input.path, chunk.offset, feature) }
    if let flaw = header.flaw { throw damage(flaw) }
    let start = chunk.offset + UInt64(TraceFormat.chunkHeaderSize)
    let stored = try input.read(at: start, count: Int(header.storedSize))
    guard stored.count == Int(header.storedSize) else { throw damage("the file ends inside a chunk") }
    guard Digest.of(stored) == header.payloadDigest else { throw damage("the checksum of a chunk's contents is wrong") }
    guard header.flags.contains(.compressed) else { return stored }
    guard let raw = LZ4Block.decompress(stored, size: Int(header.rawSize)) else {
      throw damage("a chunk does not decompress")
    }
    return raw
  }
}

/// Which chunks a file holds, found by going from header to header. An index has to name the same ones.
struct ChunkTable: Sendable {
  private(set) var chunks: [ChunkInfo] = []
  /// The closing chunk, when the recording was closed.
  private(set) var closing: ChunkInfo?
  /// The first chunk header that cannot be right, and what is after the end.
  private(set) var damage: TraceDamage?
  /// Where the whole chunks end.
  private(set) var end = UInt64(TraceFormat.fileHeaderSize)

  init(of file: ChunkFile) throws(TraceError) {
    try scan(file)
    if damage == nil { damage = try indexFlaw(file) }
  }

  /// Goes from header to header. Contents are looked at when they are used.
  private mutating func scan(_ file: ChunkFile) throws(TraceError) {
    while end < file.input.size {
      if closing != nil {
        damage = TraceDamage(offset: end, reason: "there is something after the end of the trace")
        return
      }
      guard let result = try file.header(at: end) else { return }
      let header: ChunkHeader
      switch result {
      case .success(let good): header = good
      case .failure(let error):
        damage = TraceDamage(offset: end, reason: error.reason)
        return
      }
      if let feature = header.unknownFeature { throw .unsupported(file.input.path, end, feature) }
      if let flaw = header.flaw ?? sequenceFlaw(header) {
        damage = TraceDamage(offset: end, reason: flaw)
        return
      }
      let size = UInt64(TraceFormat.chunkHeaderSize) + UInt64(header.storedSize)
      guard size <= file.input.size - end else { return }
      let chunk = ChunkInfo(header, offset: end)
      if chunk.kind == .closing { closing = chunk }
      chunks.append(chunk)
      end += size
    }
  }

  private func sequenceFlaw(_ header: ChunkHeader) -> String? {
    if Int(header.sequence) != chunks.count { return "chunk \(header.sequence) where chunk \(chunks.count) belongs" }
    if header.firstOrdinal < chunks.last?.firstOrdinal ?? 0 { return "a chunk that goes back to earlier events" }
    return nil
  }

  /// What is wrong with the index that the closing chunk names. To be without one, or with one that was damaged, is
  /// nobody's loss; one that can be read has to be right.
  private func indexFlaw(_ file: ChunkFile) throws(TraceError) -> TraceDamage? {
    guard let closing, let record = ClosingRecord(try? file.payload(of: closing)),
      let first = chunks.firstIndex(where: { $0.kind == .index && $0.offset == record.indexOffset })
    else { return nil }
    var entries: [ChunkInfo] = []
    for chunk in chunks[first...] where chunk.kind == .index {
      let payload: [UInt8]
      do throws(TraceError) { payload = try file.payload(of: chunk) } catch {
        if case .file = error.kind { throw error }
        return nil
      }
      guard IndexCoding.decode(payload, into: &entries) else {
        return TraceDamage(offset: chunk.offset, reason: "an index that cannot be read")
      }
    }
    if entries != Array(chunks[..<first]) {
      return TraceDamage(offset: chunks[first].offset, reason: "an index that names other chunks than there are")
    }
    return nil
  }
}

/// What the closing chunk holds.
struct ClosingRecord: Equatable, Sendable {
  /// The file offset of the first index chunk.
  var indexOffset: UInt64
  /// How many events the trace holds.
  var events: UInt64

  init?(_ payload: [UInt8]?) {
    guard let payload, payload.count == TraceFormat.closingSize else { return nil }
    var input = ByteReader(payload)
    guard let indexOffset = try? input.read64(), let events = try? input.read64() else { return nil }
    self.indexOffset = indexOffset
    self.events = events
  }
}
