internal import Trace

/// How far the guest can have run from one event to the next, by what the rest of the trace says: a replay that has run
/// further has left the recorded path, or the trace does not tell the truth. Counted in instructions, so that no
/// verdict depends on how fast or how busy a host is.
struct EventDistance {
  /// Runs shorter than this are not worth the look into the trace, and never overruns.
  static let unquestioned: UInt64 = 1 << 27
  /// The same where the trace counts instructions, too.
  private static let unquestionedIfCounted: UInt64 = 1 << 20

  let unquestioned: UInt64

  /// The most instructions that a nanosecond of a recording can have had.
  private let rate: UInt64

  /// The counts of the digests that have one, and when events were recorded whose records say so: nothing before such
  /// a record lies behind it.
  private var counts = Outlook {
    guard case .digest(let digest) = $0, digest.instructions != 0 else { return nil }
    return digest.instructions
  }
  private var times = Outlook {
    guard case .delivery(_, .fingerprint(let fingerprint)) = $0 else { return nil }
    return fingerprint.time
  }

  init(_ header: TraceHeader) {
    unquestioned =
      header.clock == .virtual ? EventDistance.unquestionedIfCounted : EventDistance.unquestioned
    // The software engine's own time is one a nanosecond. CPUs do eight a cycle at most, and far fewer for long;
    // translated code has no fewer of the host's than the guest has.
    rate = header.clock == .virtual ? 1 : 16
  }

  /// The most instructions from the last event, behind which so many were retired, to the one that the cursor has just
  /// handed out.
  /// - Parameters:
  ///   - time: when it was recorded, if its record says so.
  ///   - before: no later than the last event was recorded.
  mutating func most(
    to cursor: TraceCursor, at time: UInt64?, after before: UInt64, retiredAtEvent: UInt64
  ) -> UInt64 {
    var most = EventDistance.time(to: cursor).map { product($0, rate) } ?? .max
    if let time = time ?? times.next(from: cursor) { most = min(most, product(less(time, before), rate)) }
    if let end = EventDistance.end(of: cursor) { most = min(most, less(product(end, rate), retiredAtEvent)) }
    if let count = counts.next(from: cursor) { most = min(most, less(count, retiredAtEvent)) }
    return most
  }

  private func less(_ value: UInt64, _ done: UInt64) -> UInt64 { value < done ? 0 : value - done }

  private func product(_ time: UInt64, _ rate: UInt64) -> UInt64 {
    let (product, overflow) = time.multipliedReportingOverflow(by: rate)
    return overflow ? .max : product
  }

  /// The most nanoseconds that the recording can have taken to the event that the cursor has just handed out. A
  /// recorder writes what it has at least every 100 ms, and names the time; `nil` for one that named none.
  static func time(to cursor: TraceCursor) -> UInt64? {
    let chunks = cursor.reader.eventChunks
    guard let to = end(of: cursor), var index = cursor.chunkIndex else { return nil }
    // Chunks of marks alone may lie before the first event.
    guard cursor.ordinal > 1 else { return to }
    // The event before came after the chunk before its own was written.
    while index > 0, chunks[index].firstOrdinal > cursor.ordinal - 2 { index -= 1 }
    let from = index > 0 ? chunks[index - 1].elapsed : 0
    return max(to, from) - from
  }

  /// The most nanoseconds from the begin of the recording to that event.
  private static func end(of cursor: TraceCursor) -> UInt64? {
    let reader = cursor.reader
    guard reader.duration > 0, let chunk = cursor.chunk else { return nil }
    // Who has written a recording anew may have named no time.
    guard chunk.elapsed > 0 else { return reader.isComplete ? reader.duration : nil }
    // What was written because a chunk was full has the time of the one before.
    let (late, overflow) = chunk.elapsed.addingReportingOverflow(100_000_000)
    return reader.isComplete ? min(overflow ? .max : late, reader.duration) : overflow ? .max : late
  }
}
