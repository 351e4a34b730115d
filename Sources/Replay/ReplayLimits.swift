/// How long a replay tries.
struct ReplayLimits {
  /// How long the guest may run without reaching the next event, in nanoseconds. Longer than any gap in a recording,
  /// which the recorder's own stops bound.
  var patience: UInt64 = 60_000_000_000
  /// How long the place of a fingerprint is looked for, in nanoseconds.
  var searchPatience: UInt64 = 600_000_000_000
  /// How many instructions an engine that does not count them may be made to count, one by one, for one delivery.
  var longestWalk = UInt64.max
  /// Called at least at every `pollInterval`, while the guest stands; ends the replay by throwing.
  var poll: (() throws -> Void)?
  /// In nanoseconds.
  var pollInterval = UInt64.max

  /// When the guest is to be stopped that begins to run now: so late that nothing is missed, and the same for many
  /// runs, because naming another time costs a system call.
  func alarm(after now: UInt64) -> UInt64 {
    let interval = min(patience, pollInterval)
    return (now / interval + 2) * interval
  }

  /// A limit was exceeded that says nothing about the guest.
  struct Exceeded: Error {}
}
