internal import Trace

/// How long a replay tries, on engines that do not count. Those that do are judged by their count (`EventDistance`).
struct ReplayLimits {
  /// Nanoseconds that the guest may take to the next event; `nil` for what the recording took, many times over.
  var patience: UInt64?
  /// How many instructions an engine that does not count them may be made to count, one by one, for one delivery.
  var longestWalk = UInt64.max
  /// Called at least at every `pollInterval`, while the guest stands; ends the replay by throwing.
  var poll: (() throws -> Void)?
  /// In nanoseconds.
  var pollInterval: UInt64 = 20_000_000

  /// Nanoseconds in which nobody asks where an event is.
  var unquestioned: UInt64 = 4_000_000_000
  /// How many times as long as recording took an engine may look for an event.
  var factor: UInt64 = 10

  /// Of the recorder's engine where another one has diverged: when it does not get on, the divergence stands.
  static var ofSecondOpinion: ReplayLimits { ReplayLimits(unquestioned: 300_000_000, factor: 2) }

  /// Nanoseconds of work that the way to the event may take which the cursor has just handed out; beyond
  /// `unquestioned`.
  func allowance(to cursor: TraceCursor) -> UInt64 {
    guard let time = EventDistance.time(to: cursor) else { return 60_000_000_000 }
    let (product, overflow) = time.multipliedReportingOverflow(by: factor)
    return overflow ? .max : product
  }

  /// When the guest is to be stopped that begins to run now: so late that nothing is missed, and the same for many
  /// runs, because naming another time costs a system call.
  func alarm(after now: UInt64) -> UInt64 { (now / pollInterval + 2) * pollInterval }

  /// A limit was exceeded that says nothing about the guest.
  struct Exceeded: Error {}
}

/// An engine that does not count has not come to the next event for long: it looks for a place that another one finds
/// sooner, it hangs, or the replay has left the recorded path. That is no verdict.
struct ReplayStall: Error {
  /// The number of the event.
  var event: UInt64
  /// Nanoseconds of work on it.
  var work: UInt64
}

/// The user ended a replay.
public struct ReplayInterrupted: Error {
  /// Events that were replayed.
  public var events: UInt64
}
