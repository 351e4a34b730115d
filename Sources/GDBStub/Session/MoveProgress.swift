/// Tells every second how a long move gets on.
struct MoveProgress {
  private static let interval: UInt64 = 1_000_000_000

  private var last: UInt64
  private var executedAtLast: UInt64
  private let executedAtStart: UInt64

  /// - Parameters:
  ///   - now: nanoseconds of a clock that does not go back.
  ///   - executed: `DebugTarget.executedInstructions`.
  init(at now: UInt64, executed: UInt64) {
    last = now
    executedAtLast = executed
    executedAtStart = executed
  }

  /// The line that is due, if one is.
  mutating func line(at now: UInt64, _ session: Session) -> String? {
    guard now &- last >= MoveProgress.interval else { return nil }
    let executed = session.target.executedInstructions
    let microseconds = max((now &- last) / 1000, 1)
    let rate = (executed &- executedAtLast) / microseconds
    (last, executedAtLast) = (now, executed)
    let millions = (executed &- executedAtStart) / 1_000_000
    return "chronovisor: \(millions) million instructions gone through, \(rate) million a second, at "
      + session.placeText + "\n"
  }
}
