/// How often a recording takes a digest of the state.
public enum DigestRate: Sendable {
  case none
  /// Now and then, at a bounded share of the run's time.
  case usual
  /// At every interaction.
  case all
}

/// Says when the next state digest is due, so that digests cost a bounded share of a recording.
struct DigestPolicy {
  /// Engines that count take digests by instructions, so that equal runs give equal traces; others by time.
  private let counted: Bool
  private let takesAll: Bool
  private var nextTime: UInt64 = 0
  private var nextRetired: UInt64 = 0

  /// At least this long between two digests, in nanoseconds.
  private let shortestInterval: UInt64 = 50_000_000
  /// A digest may take one part in this many of the run's time.
  private let share: UInt64 = 100
  /// Instructions between two digests.
  private let instructionInterval: UInt64 = 20_000_000

  init(counted: Bool, takesAll: Bool) {
    self.counted = counted
    self.takesAll = takesAll
  }

  func isDue(now: UInt64, retired: UInt64?) -> Bool {
    if takesAll { return true }
    if counted, let retired { return retired >= nextRetired }
    return now >= nextTime
  }

  /// A digest took from `start` to `end`.
  mutating func taken(from start: UInt64, to end: UInt64, retired: UInt64?) {
    nextTime = end + max(shortestInterval, (end - start) * share)
    nextRetired = (retired ?? 0) + instructionInterval
  }
}
