/// Says when a recorder that does not count names the place where the guest stands, though nothing happens there: only
/// where no event has come since the last look, and so seldom that it costs a bounded share of a recording.
struct QuietPolicy {
  private var events: UInt64?
  private var nextTime: UInt64 = 0

  /// A mark may take one part in this many of the run's time.
  private let share: UInt64 = 100

  /// Asked at each flush of the trace, with the events so far.
  mutating func isDue(events now: UInt64, now time: UInt64) -> Bool {
    defer { events = now }
    return events == now && time >= nextTime
  }

  mutating func marked(from start: UInt64, to end: UInt64) { nextTime = end + (end - start) * share }
}
