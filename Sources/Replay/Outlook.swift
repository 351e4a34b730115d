internal import Trace

/// What a trace says next of one kind, as seen from a place in it. The answer is kept as long as it is the next one, so
/// that a replay that asks at every event looks at each record once.
struct Outlook {
  /// What the event says, if it is of the kind.
  private let value: (TraceEvent) -> UInt64?
  /// From everywhere between the two ordinals, the latter left out, the answer lies ahead.
  private var known: (from: UInt64, to: UInt64, answer: UInt64?)?

  /// Records that were looked at.
  private(set) var looked = 0

  init(_ value: @escaping (TraceEvent) -> UInt64?) { self.value = value }

  /// The value of the first such event behind the one that the cursor has just handed out; `nil` where there is none,
  /// or damage comes first: that is reported where the replay comes to it.
  mutating func next(from cursor: TraceCursor) -> UInt64? {
    let from = cursor.ordinal
    if let known, known.from <= from, from < known.to { return known.answer }
    var ahead = cursor
    var (to, answer) = (UInt64.max, UInt64?.none)
    while let event = try? ahead.next() {
      looked += 1
      if let found = value(event) {
        (to, answer) = (ahead.ordinal, found)
        break
      }
      if let known, from < known.from, known.from <= ahead.ordinal, ahead.ordinal < known.to {
        (to, answer) = (known.to, known.answer)
        break
      }
    }
    known = (from, to, answer)
    return answer
  }
}
