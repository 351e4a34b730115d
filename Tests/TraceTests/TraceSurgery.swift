import Support
import VMMCore

@testable import Trace

/// A trace taken apart into chunks, which can be changed and put together again with checksums that are right: what a
/// hostile writer would make.
struct TraceSurgery {
  struct Chunk {
    var header: ChunkHeader
    /// As stored.
    var payload: [UInt8]
    var offset: Int

    var raw: [UInt8] {
      get {
        guard header.flags.contains(.compressed) else { return payload }
        // What a header says that was changed may be anything.
        let size = min(Int(header.rawSize), TraceFormat.maximumRawSize)
        return LZ4Block.decompress(payload, size: size) ?? []
      }
      set {
        payload = newValue
        header.flags.remove(.compressed)
        header.rawSize = UInt32(newValue.count)
        header.storedSize = UInt32(newValue.count)
      }
    }
  }
  var chunks: [Chunk] = []
  /// What `repair` leaves as it is.
  var keepsOrdinals = false
  var keepsNumbers = false

  init(_ bytes: [UInt8]) {
    var offset = TraceFormat.fileHeaderSize
    let key = ChunkHeader.key(fromFirst: [UInt8](bytes[offset..<(offset + TraceFormat.chunkHeaderSize)]))
    while offset < bytes.count {
      let end = offset + TraceFormat.chunkHeaderSize
      let result = ChunkHeader.decode([UInt8](bytes[offset..<end]), key: offset == 16 ? ChunkHeader.firstKey : key)
      guard case .success(let header) = result else { fatalError("not a sound trace") }
      let stop = end + Int(header.storedSize)
      chunks.append(Chunk(header: header, payload: [UInt8](bytes[end..<stop]), offset: offset))
      offset = stop
    }
  }

  func first(_ kind: ChunkKind) -> Int { chunks.firstIndex { $0.header.kind == kind }! }

  /// Takes out the index, so that what was changed is not held against it.
  mutating func removeIndex() { chunks.removeAll { $0.header.kind == .index } }

  /// Gives every chunk its number anew.
  mutating func number() {
    for index in chunks.indices { chunks[index].header.sequence = UInt32(index) }
  }

  /// The file. Sizes and digests of payloads are made right unless `keepSizes`.
  func assembled(keepSizes: Bool = false) -> [UInt8] {
    var bytes = TraceFormat.fileHeader
    var key = ChunkHeader.firstKey
    for (index, chunk) in chunks.enumerated() {
      var header = chunk.header
      if !keepSizes { header.storedSize = UInt32(chunk.payload.count) }
      header.payloadDigest = Digest.of(chunk.payload)
      let encoded = header.encoded(key: key)
      if index == 0 { key = ChunkHeader.key(fromFirst: encoded) }
      bytes += encoded + chunk.payload
    }
    return bytes
  }
}

/// What reading a file that may be damaged came to.
enum Outcome: Equatable {
  /// Everything as it was recorded, and complete.
  case whole
  /// So many events as they were recorded, and the tools say that the recording was cut off.
  case incomplete(events: Int)
  /// So many events as they were recorded (none when nothing could be opened), then an error.
  case reported(TraceError.Kind, events: Int)
  /// Something else than was recorded, and no word about it.
  case wrong(String)
}

/// A trace as it was recorded, to hold against what is left of it.
struct Original {
  var machine: InitialMachine
  var events: [TraceEvent]
  var bytes: [UInt8]

  /// A small trace with several chunks of every kind of event.
  init(in folder: TemporaryFolder, seed: UInt64 = 1, events count: Int = 60) throws {
    var random = SeededRandom(seed: seed)
    machine = Sample.machine(imageSize: 100)
    events = random.events(count)
    let path = folder.file("original")
    try writeTrace(path, events, machine: machine, flushEvery: 13)
    bytes = contents(of: path)
  }

  func outcome(of path: String) -> Outcome {
    do throws(TraceError) {
      let reader = try TraceReader(path: path)
      var header = Sample.header
      header.memorySize = machine.memorySize
      if reader.header != header { return .wrong("another header") }
      if try reader.initialMachine() != machine { return .wrong("another guest") }
      return outcome(of: reader)
    } catch {
      return error.isDataError ? .reported(error.kind, events: 0) : .wrong("\(error)")
    }
  }

  private func outcome(of reader: TraceReader) -> Outcome {
    var cursor = reader.makeCursor()
    var count = 0
    do throws(TraceError) {
      while let event = try cursor.next() {
        guard count < events.count, event == events[count] else { return .wrong("event \(count) is \(event)") }
        count += 1
      }
    } catch {
      return error.isDataError ? .reported(error.kind, events: count) : .wrong("\(error)")
    }
    if !reader.isComplete { return .incomplete(events: count) }
    return count == events.count ? .whole : .wrong("\(count) events and no more")
  }
}
