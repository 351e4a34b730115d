internal import VMMCore

/// The chunks of a trace sorted by what they are for, in the only order that a recorder writes: the machine; images,
/// each with its pieces; placements; the state; events; the index; the closing chunk.
struct TraceContents: Sendable {
  struct Image: Sendable {
    var record: ImageRecord
    var pieces: [ChunkInfo] = []
    var offset: UInt64
  }

  private var machine: ChunkInfo?
  private(set) var images: [Image] = []
  private var placements: [ChunkInfo] = []
  private var state: ChunkInfo?
  private(set) var events: [ChunkInfo] = []
  private(set) var damage: TraceDamage?
  private var isPastEvents = false
  /// The chunk before, of a kind that is known.
  private var last: ChunkInfo?

  init(_ table: ChunkTable, _ file: ChunkFile) throws(TraceError) {
    damage = table.damage
    for chunk in table.chunks {
      if let flaw = try take(chunk, file) {
        damage = TraceDamage(offset: chunk.offset, reason: flaw)
        break
      }
    }
    guard state != nil else {
      if let damage { throw .damaged(file.input.path, damage.offset, damage.reason) }
      throw .unusable(file.input.path, table.end)
    }
  }

  /// Takes in the next chunk; the reason when it does not belong there.
  private mutating func take(_ chunk: ChunkInfo, _ file: ChunkFile) throws(TraceError) -> String? {
    guard chunk.kind.isKnown else { return nil }
    // Only events take events with them.
    if chunk.firstOrdinal != last?.firstOrdinal ?? 0, last?.kind != .events {
      return "a chunk after \(chunk.firstOrdinal) events, where \(last?.firstOrdinal ?? 0) came before it"
    }
    if let last, chunk.elapsed < last.elapsed {
      return "a chunk after \(chunk.elapsed) ns, where \(last.elapsed) ns came before it"
    }
    last = chunk
    switch chunk.kind {
    case .machine:
      guard machine == nil else { return "a second machine header" }
      machine = chunk
    case .image:
      guard machine != nil, placements.isEmpty, state == nil, images.count < TraceFormat.maximumImages else {
        return "an image out of place"
      }
      images.append(Image(record: try imageRecord(chunk, file), offset: chunk.offset))
    case .imagePiece:
      guard !images.isEmpty, placements.isEmpty, state == nil else { return "a piece of no image" }
      images[images.count - 1].pieces.append(chunk)
    case .placements:
      guard machine != nil, state == nil else { return "placements out of place" }
      placements.append(chunk)
    case .state:
      guard machine != nil, state == nil else { return "a CPU state out of place" }
      state = chunk
    case .events:
      guard state != nil, !isPastEvents else { return "events out of place" }
      events.append(chunk)
    case .index, .closing:
      guard state != nil else { return "the end of a trace before its begin" }
      isPastEvents = true
    default: break
    }
    return nil
  }

  private func imageRecord(_ chunk: ChunkInfo, _ file: ChunkFile) throws(TraceError) -> ImageRecord {
    try decode(chunk, file) { payload throws(DecodingError) in try ImageRecord(decoding: payload) }
  }

  /// Reads a chunk; a decoding error becomes damage at the chunk's offset.
  private func decode<Value>(
    _ chunk: ChunkInfo, _ file: ChunkFile, _ body: ([UInt8]) throws(DecodingError) -> Value
  ) throws(TraceError) -> Value {
    let payload = try file.payload(of: chunk)
    do throws(DecodingError) {
      return try body(payload)
    } catch {
      throw .damaged(file.input.path, chunk.offset, "byte \(error.position) of the chunk: \(error.reason)")
    }
  }
}

extension TraceContents {
  func header(_ file: ChunkFile) throws(TraceError) -> TraceHeader {
    guard let machine else { throw .unusable(file.input.path, UInt64(TraceFormat.fileHeaderSize)) }
    return try decode(machine, file) { payload throws(DecodingError) in try TraceHeader(decoding: payload) }
  }

  func machine(_ file: ChunkFile, memorySize: UInt64) throws(TraceError) -> InitialMachine {
    guard let state else { throw .unusable(file.input.path, UInt64(TraceFormat.fileHeaderSize)) }
    let cpu = try decode(state, file) { payload throws(DecodingError) in
      // A word with bits that its register does not have would come back as another one.
      guard let cpu = CPUState(encoded: payload), cpu.encoded().starts(with: payload) else {
        throw DecodingError(position: payload.count, reason: "no CPU state of \(payload.count) bytes")
      }
      return cpu
    }
    var total: UInt64 = 0
    var loaded: [GuestImage] = []
    for image in images {
      total += image.record.size
      guard total <= TraceFormat.maximumImageBytes else {
        throw .damaged(file.input.path, image.offset, "images of more than \(TraceFormat.maximumImageBytes) bytes")
      }
      loaded.append(try load(image, file))
    }
    return InitialMachine(
      memorySize: memorySize, images: loaded, placements: try placements(file, memorySize), state: cpu)
  }

  private func load(_ image: Image, _ file: ChunkFile) throws(TraceError) -> GuestImage {
    var bytes: [UInt8] = []
    for piece in image.pieces {
      let more = try file.payload(of: piece)
      guard UInt64(bytes.count) + UInt64(more.count) <= image.record.size else {
        throw .damaged(file.input.path, piece.offset, "more of image \(image.record.name) than there is")
      }
      bytes += more
    }
    guard UInt64(bytes.count) == image.record.size, Digest.of(bytes) == image.record.digest else {
      throw .damaged(file.input.path, image.offset, "image \(image.record.name) is not the one that was recorded")
    }
    return GuestImage(role: image.record.role, name: image.record.name, bytes: bytes)
  }

  private func placements(_ file: ChunkFile, _ memorySize: UInt64) throws(TraceError) -> [Placement] {
    var all: [Placement] = []
    var placed: UInt64 = 0
    let sizes = images.map(\.record.size)
    for chunk in placements {
      let more = try decode(chunk, file) { payload throws(DecodingError) in
        try PlacementCoding.decode(payload, sizes: sizes)
      }
      for placement in more {
        placed += placement.count
        guard placement.fits(memorySize: memorySize) else {
          throw .damaged(
            file.input.path, chunk.offset, "\(placement.count) bytes at \(placement.address), outside the memory")
        }
      }
      all += more
      guard all.count <= TraceFormat.maximumPlacements, placed <= TraceFormat.maximumPlacedBytes else {
        throw .damaged(file.input.path, chunk.offset, "\(all.count) placements of \(placed) bytes")
      }
    }
    return all
  }
}
