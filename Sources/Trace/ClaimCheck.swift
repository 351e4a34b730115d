internal import VMMCore

// What records say of each other is held together before anything is replayed: a delivery that lies further than the
// next digest's count would let a guest run for as long as the trace likes.
extension TraceReader {
  /// Goes through all records. Errors: the count of a digest, or of the mark at the end, is smaller than that of the
  /// digest before it and the instructions to the places between them; a detail that belongs to no digest; a place
  /// whose time is before that of the one before it, or behind the end of the recording. Other damage is not looked
  /// for: who reads the records finds it.
  public func checkClaims() throws(TraceError) {
    var cursor = makeCursor()
    /// Right after the last digest that counts, what it counts, and the instructions to the places since.
    var begin = cursor
    var count: UInt64 = 0
    var placed: UInt64 = 0
    var ownsDetail = true
    var time: UInt64 = 0
    while let event = try? cursor.next() {
      if !ownsDetail {
        guard case .digest = event else { throw cursor.damage("a detail that no digest follows") }
        ownsDetail = true
      }
      switch event.place {
      case .instructions(let instructions, _)?: placed = placed.addingSaturated(instructions)
      case .fingerprint(let fingerprint)?:
        guard let now = fingerprint.time else { break }
        guard now >= time, now <= duration || !isComplete else { throw cursor.damage("a place after \(now) ns") }
        time = now
      case nil: break
      }
      if case .detail = event { ownsDetail = false }
      guard let next = event.instructionCount else { continue }
      guard next >= count else {
        throw cursor.damage("a place after \(next) instructions in all, behind a digest after \(count)")
      }
      if placed > next - count { throw tooFar(from: begin, by: next - count) }
      (count, placed, begin) = (next, 0, cursor)
    }
  }

  /// What was read to its end has an end, or something in it. Errors: it has not.
  public func checkEnding(events: UInt64, end: EndReason?) throws(TraceError) {
    // Where nothing is claimed, nothing was found to be true.
    if events == 0, !isComplete, ending.mark == nil {
      throw TraceError(.unusable, "\(path): the recording was cut off before its first event: nothing was replayed")
    }
    if let closing, end == nil {
      throw .damaged(path, closing.offset, "the recording was closed, and no record says how it ended")
    }
  }

  /// The complaint on the first place that lies more instructions behind a digest than the next digest does.
  private func tooFar(from begin: TraceCursor, by limit: UInt64) -> TraceError {
    var cursor = begin
    var placed: UInt64 = 0
    while placed <= limit, let event = try? cursor.next() {
      if case .instructions(let instructions, _)? = event.place { placed = placed.addingSaturated(instructions) }
    }
    return cursor.damage("a place \(placed) instructions behind a digest, and the next digest is \(limit) behind it")
  }
}

extension TraceEvent {
  /// Where it came, counted from the event before it, if it came by itself.
  fileprivate var place: Place? {
    switch self {
    case .delivery(_, let place): place
    case .mark(let mark): mark.place
    case .interaction, .digest, .detail, .end: nil
    }
  }

  /// Instructions from the begin to here, if it says so.
  fileprivate var instructionCount: UInt64? {
    switch self {
    case .digest(let digest): digest.instructions > 0 ? digest.instructions : nil
    case .mark(let mark): mark.instructions > 0 ? mark.instructions : nil
    case .interaction, .delivery, .detail, .end: nil
    }
  }
}

extension UInt64 {
  fileprivate func addingSaturated(_ other: UInt64) -> UInt64 {
    let (sum, overflows) = addingReportingOverflow(other)
    return overflows ? .max : sum
  }
}
