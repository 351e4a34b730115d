public import VMMCore

/// Writes a trace: the guest first, then the events as they happen, in chunks that each reach the file whole. A
/// recorder that dies leaves a file whose chunks can all be read, and which is visibly unfinished until `close`.
///
/// The file is written beside its name, as NAME.partial, until an event is in it or it is closed; then it takes the
/// name, and an earlier trace of that name is gone. A writer that is let go before leaves the earlier one.
///
/// Not thread-safe. After the first error every later call throws it again; what is in the file stays good.
public final class TraceWriter {
  public let path: String
  /// The number of the next event: how many interactions and deliveries have been appended.
  public private(set) var ordinal: UInt64 = 0
  /// Bytes in the file so far.
  public var size: UInt64 { file.size }
  /// The file has its name. Until then whatever had it before is there.
  public var isInPlace: Bool { file.isInPlace }

  /// Events wait at most this long before they are in the file, in nanoseconds, when `flushIfDue` is called often
  /// enough.
  public static let flushInterval: UInt64 = 100_000_000

  private let file: OutputFile
  private var encoder = EventEncoder()
  private var key = ChunkHeader.firstKey
  private var chunks: [ChunkInfo] = []
  /// Events before the chunk that is being filled.
  private var chunkOrdinal: UInt64 = 0
  private var lastFlush: UInt64 = 0
  private var elapsed: UInt64 = 0
  private var failure: TraceError?
  private var isClosed = false
  private var onlyWhole = false
  /// The guest, where it is not in the file yet.
  private var preparation: GuestPreparation?

  /// Begins the file and writes everything that a replay needs before the first event; a large guest is only in it
  /// with the first of the events. Errors leave what is there as it is.
  /// - Parameter onlyWhole: the file gets its name when it is closed, and not before.
  public convenience init(
    path: String, header: TraceHeader, machine: InitialMachine, onlyWhole: Bool = false
  ) throws(TraceError) {
    let description = try TraceWriter.description(of: header, machine)
    try self.init(file: try OutputFile(creating: path), description, machine)
    self.onlyWhole = onlyWhole
    if onlyWhole { file.isWorthKeeping = false }
  }

  /// - Parameter description: of the header and this machine.
  init(file: OutputFile, _ description: [UInt8], _ machine: InitialMachine) throws(TraceError) {
    path = file.path
    self.file = file
    try begin(description, machine)
    file.isWorthKeeping = true
  }

  deinit { try? finishGuest() }

  /// The payload of the machine chunk. Errors: the format cannot hold it.
  static func description(of header: TraceHeader, _ machine: InitialMachine) throws(TraceError) -> [UInt8] {
    if let flaw = machine.flaw { throw TraceError(.invalid, "the guest cannot be put into a trace: \(flaw)") }
    var header = header
    header.memorySize = machine.memorySize
    guard let description = header.encoded(), description.count <= TraceFormat.maximumRawSize else {
      throw TraceError(.invalid, "the guest cannot be put into a trace: a description is too long")
    }
    return description
  }

  /// Adds one event. The time of the chunk that it lands in is that of the last `flushIfDue` or `flush`.
  public func append(_ event: TraceEvent) throws(TraceError) {
    try check(encoder.append(event))
    switch event {
    case .interaction, .delivery: ordinal &+= 1
    case .digest, .detail, .mark, .end: break
    }
    if encoder.out.count >= TraceFormat.eventChunkSize { try cut() }
  }

  /// Adds one interaction with its answer.
  public func append(_ exit: VCPUExit, _ answer: Answer) throws(TraceError) {
    try check(encoder.append(exit, answer))
    ordinal &+= 1
    if encoder.out.count >= TraceFormat.eventChunkSize { try cut() }
  }

  /// Brings the events so far into the file when `flushInterval` has passed since that last happened.
  /// - Parameter elapsed: host nanoseconds since the recording began.
  public func flushIfDue(elapsed now: UInt64) throws(TraceError) {
    if now &- lastFlush >= TraceWriter.flushInterval { try flush(elapsed: now) }
  }

  /// Brings the events so far into the file.
  /// - Parameter elapsed: host nanoseconds since the recording began.
  public func flush(elapsed now: UInt64) throws(TraceError) {
    elapsed = max(elapsed, now)
    lastFlush = elapsed
    try cut()
  }

  /// Writes what is left, the index and the closing chunk: the trace is complete.
  /// - Parameter elapsed: host nanoseconds since the recording began.
  public func close(elapsed now: UInt64) throws(TraceError) {
    guard !isClosed else { return }
    try flush(elapsed: now)
    try finishGuest()
    let indexOffset = file.size
    for entries in IndexCoding.encode(chunks) { try write(PreparedChunk(.index, entries, flags: .optional)) }
    var closing = ByteWriter()
    closing.append64(indexOffset)
    closing.append64(ordinal)
    try write(PreparedChunk(.closing, closing.bytes, compress: false))
    try takePlace()
    isClosed = true
  }
}

extension TraceWriter {
  private func begin(_ description: [UInt8], _ machine: InitialMachine) throws(TraceError) {
    try file.append(TraceFormat.fileHeader)
    try write(PreparedChunk(.machine, description))
    preparation = GuestPreparation(machine)
    if preparation == nil { try writeGuest(PreparedChunk.chunks(of: machine)) }
  }

  /// The guest is in the file from here on.
  private func finishGuest() throws(TraceError) {
    guard let preparation else { return }
    self.preparation = nil
    try writeGuest(preparation.take())
  }

  private func writeGuest(_ chunks: [PreparedChunk]) throws(TraceError) {
    for chunk in chunks { try write(chunk, firstOrdinal: 0, elapsed: 0) }
  }

  private func check(_ accepted: Bool) throws(TraceError) {
    if accepted && failure == nil && !isClosed { return }
    if let failure { throw failure }
    let error = TraceError(
      .invalid, isClosed ? "the trace is closed" : "event \(ordinal) cannot be put into a trace")
    failure = error
    throw error
  }

  /// Ends the chunk of events that is being filled.
  private func cut() throws(TraceError) {
    try check(true)
    guard encoder.out.count > 0 else { return }
    try finishGuest()
    try write(PreparedChunk(.events, encoder.out.bytes), firstOrdinal: chunkOrdinal)
    chunkOrdinal = ordinal
    encoder.reset()
    if ordinal > 0, !onlyWhole { try takePlace() }
  }

  private func takePlace() throws(TraceError) {
    do throws(TraceError) { try file.takePlace() } catch {
      failure = error
      throw error
    }
  }

  private func write(
    _ chunk: PreparedChunk, firstOrdinal: UInt64? = nil, elapsed: UInt64? = nil
  ) throws(TraceError) {
    let header = ChunkHeader(
      kind: chunk.kind, flags: chunk.flags, sequence: UInt32(chunks.count), storedSize: UInt32(chunk.stored.count),
      rawSize: UInt32(chunk.rawSize), firstOrdinal: firstOrdinal ?? ordinal, elapsed: elapsed ?? self.elapsed,
      payloadDigest: chunk.digest)
    let encoded = header.encoded(key: key)
    let info = ChunkInfo(header, offset: file.size)
    do throws(TraceError) {
      try file.append(encoded + chunk.stored)
    } catch {
      let kept = isInPlace && chunkOrdinal > 0 ? "; the events before \(chunkOrdinal) are in it" : ""
      let whole = TraceError(error.kind, error.description + kept)
      failure = whole
      throw whole
    }
    if chunks.isEmpty { key = ChunkHeader.key(fromFirst: encoded) }
    chunks.append(info)
  }
}
