/// A place in a trace's stream of events. A value: a copy stays where it is, and can be gone back to.
public struct TraceCursor: Sendable {
  public let reader: TraceReader
  /// How many events are complete here: the number of the next interaction or delivery.
  public private(set) var ordinal: UInt64 = 0

  private var decoder = EventDecoder([])
  /// How many chunks have been opened.
  private var opened = 0
  /// What `peek` has read ahead.
  private var pending: TraceEvent?
  private var isPastEnd = false
  /// Where the last record begins in its chunk.
  private var recordStart = 0
  private var failure: TraceError?

  /// A cursor at the begin of a chunk, whose number is at most that of the last.
  init(_ reader: TraceReader, chunk: Int = 0) {
    self.reader = reader
    opened = chunk
    if chunk > 0 { ordinal = reader.eventChunks[chunk].firstOrdinal }
  }

  /// The chunk that the last event came from, and its number in the trace.
  public var chunk: TraceReader.EventChunk? { chunkIndex.map { reader.eventChunks[$0] } }
  public var chunkIndex: Int? { opened == 0 ? nil : opened - 1 }

  /// The next event, and goes past it; `nil` at the end of the trace, complete or not (`TraceReader.isComplete`).
  ///
  /// Throws where the trace is damaged, and from then on.
  public mutating func next() throws(TraceError) -> TraceEvent? {
    guard let event = try peek() else { return nil }
    pending = nil
    switch event {
    case .interaction, .delivery: ordinal &+= 1
    case .digest, .detail, .mark: break
    case .end: isPastEnd = true
    }
    return event
  }

  /// The next event without going past it.
  public mutating func peek() throws(TraceError) -> TraceEvent? {
    if pending == nil { pending = try read() }
    return pending
  }

  /// Goes to the place right after event `ordinal - 1`, before any digest that stands there; to the end of the trace
  /// when it is shorter.
  public mutating func seek(ordinal target: UInt64) throws(TraceError) {
    // The last chunk that begins before the target; a digest right at the target may stand at its end.
    var low = 0
    var high = reader.eventChunks.count
    while low < high {
      let middle = (low + high) / 2
      if reader.eventChunks[middle].firstOrdinal < target { low = middle + 1 } else { high = middle }
    }
    self = TraceCursor(reader, chunk: max(0, low - 1))
    while ordinal < target, try next() != nil {}
  }

  /// The next record that says something: a mark does where nothing but the end follows it, or damage.
  private mutating func read() throws(TraceError) -> TraceEvent? {
    var event = try readRecord()
    while case .mark? = event {
      var ahead = self
      guard let next = try? ahead.readRecord() else { break }
      if case .end = next { break }
      (self, event) = (ahead, next)
    }
    return event
  }

  private mutating func readRecord() throws(TraceError) -> TraceEvent? {
    if let failure { throw failure }
    do throws(TraceError) {
      while decoder.isAtEnd {
        if try !openNextChunk() { return nil }
      }
      if isPastEnd { throw damaged("records after the end of the recording") }
      let event: TraceEvent
      recordStart = decoder.position
      do throws(DecodingError) { event = try decoder.next() } catch {
        throw damaged("byte \(error.position) of the chunk: \(error.reason)")
      }
      // Who comes to the end reads no further: what is behind it is looked at here.
      if case .end = event { try checkNothingFollows() }
      return event
    } catch {
      failure = error
      throw error
    }
  }

  /// The last record that `next` came to is none that a recorder can have written.
  func damage(_ reason: String) -> TraceError {
    damaged("byte \(recordStart) of the chunk: \(reason)")
  }

  private func damaged(_ reason: String) -> TraceError {
    .damaged(reader.path, reader.eventChunks[max(0, opened - 1)].offset, reason)
  }

  private func checkNothingFollows() throws(TraceError) {
    if !decoder.isAtEnd { throw damaged("records after the end of the recording") }
    guard opened == reader.eventChunks.count else {
      throw .damaged(reader.path, reader.eventChunks[opened].offset, "records after the end of the recording")
    }
    try checkEnd()
  }

  /// All events have been read: what the rest of the file says of them has to be true.
  private func checkEnd() throws(TraceError) {
    if let damage = reader.damage { throw .damaged(reader.path, damage.offset, damage.reason) }
    guard let closing = reader.closing else { return }
    guard reader.eventCount == ordinal, closing.firstOrdinal == ordinal else {
      throw .damaged(reader.path, closing.offset, "\(ordinal) events where the end of the trace names another number")
    }
  }

  /// False at the end of the trace.
  private mutating func openNextChunk() throws(TraceError) -> Bool {
    guard opened < reader.eventChunks.count else {
      try checkEnd()
      return false
    }
    let chunk = reader.eventChunks[opened]
    opened += 1
    guard chunk.firstOrdinal == ordinal else {
      throw damaged("the chunk begins with event \(chunk.firstOrdinal), and \(ordinal) is next")
    }
    decoder = EventDecoder(try reader.file.payload(of: chunk.info))
    return true
  }
}
