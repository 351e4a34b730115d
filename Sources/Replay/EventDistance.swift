internal import Trace

/// How far the guest can have run from one event to the next, by what the rest of the trace says: a replay that has run
/// further has left the recorded path, or the trace does not tell the truth. Counted in instructions, so that no
/// verdict depends on how fast or how busy a host is.
struct EventDistance {
  /// Runs shorter than this are not worth the look into the trace.
  static let unquestioned: UInt64 = 1 << 27

  /// The most instructions that a nanosecond of a recording can have had.
  private let rate: UInt64

  init(_ header: TraceHeader) {
    // The software engine's own time is one a nanosecond. CPUs do eight a cycle at most, and far fewer for long.
    rate = header.clock == .virtual ? 1 : 16
  }

  /// The most instructions from the last event, behind which so many were retired, to the one that the cursor has just
  /// handed out.
  func most(to cursor: TraceCursor, retiredAtEvent: UInt64) -> UInt64 {
    var most = byTime(cursor)
    if let count = nextCount(from: cursor) { most = min(most, count < retiredAtEvent ? 0 : count - retiredAtEvent) }
    return most
  }

  /// The count of the next digest that has one: no event before it lies behind it.
  private func nextCount(from cursor: TraceCursor) -> UInt64? {
    var ahead = cursor
    // Damage is reported where the replay comes to it.
    for _ in 0..<EventDistance.longestLook {
      guard let event = try? ahead.next() else { return nil }
      if case .digest(let digest) = event, digest.instructions != 0 { return digest.instructions }
    }
    return nil
  }

  private static let longestLook = 1 << 20

  private func byTime(_ cursor: TraceCursor) -> UInt64 {
    guard let time = EventDistance.time(to: cursor) else { return .max }
    let (product, overflow) = time.multipliedReportingOverflow(by: rate)
    return overflow ? .max : product
  }

  /// The most nanoseconds that the recording can have taken to the event that the cursor has just handed out. A
  /// recorder writes what it has at least every 100 ms, and names the time; `nil` for one that named none.
  static func time(to cursor: TraceCursor) -> UInt64? {
    let reader = cursor.reader
    let chunks = reader.eventChunks
    guard reader.duration > 0, let chunk = cursor.chunk else { return nil }
    // The event before came after the chunk before its own was written.
    let before = cursor.ordinal > 2 ? cursor.ordinal - 2 : 0
    let index = chunks.lastIndex { $0.firstOrdinal <= before } ?? 0
    let from = index > 0 ? chunks[index - 1].elapsed : 0
    // What was written because a chunk was full has the time of the one before.
    let (late, overflow) = chunk.elapsed.addingReportingOverflow(100_000_000)
    let to = reader.isComplete ? min(late, reader.duration) : late
    return overflow ? .max : max(to, from) - from
  }
}
