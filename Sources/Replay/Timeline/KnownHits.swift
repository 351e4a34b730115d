/// A stop that a backward run passes.
struct Hit {
  var moment: Moment
  var stop: TimelineStop

  /// It is before a place that is run back from: what a watchpoint reports is the access before the moment.
  func comes(before here: Moment) -> Bool {
    if case .watch = stop { return moment <= here }
    return moment < here
  }
}

/// Every stop in the part of the recording that the last backward run searched. gdb runs back over the same breakpoint
/// hundreds of times in a row when it looks for the call of a function that has switched stacks, or to satisfy an
/// ignore count: each of these runs would search the same part again.
struct KnownHits {
  private let breakpoints: [UInt64]
  private let watches: [WatchRange]
  private var start: Moment
  private let end: Moment
  private var hits: [Hit] = []
  /// Somebody did not want a stop, and may want it the next time.
  private var isIncomplete = false
  /// The earliest have been forgotten.
  private var isCut = false

  /// At least so many are kept, and at most twice as many.
  private static let maximumCount = 10_000

  init(_ request: TimelineRequest, from start: Moment, to end: Moment) {
    breakpoints = request.breakpoints
    watches = request.watches
    self.start = start
    self.end = end
  }

  var last: Hit? { hits.last }
  var beforeLast: Hit? { hits.dropLast().last }

  mutating func note(_ hit: Hit) {
    hits.append(hit)
    guard hits.count >= 2 * KnownHits.maximumCount else { return }
    hits.removeFirst(KnownHits.maximumCount)
    start = hits[0].moment
    isCut = true
  }

  mutating func noteRefusal() { isIncomplete = true }

  /// The last one before a place, and the one before that, as far as they are known without a search.
  func last(before here: Moment, _ request: TimelineRequest) -> (last: Hit, previous: Hit?)? {
    guard !isIncomplete, here > start, here <= end, request.breakpoints == breakpoints, request.watches == watches,
      let index = hits.lastIndex(where: { $0.comes(before: here) }), index > 0 || !isCut
    else { return nil }
    return (hits[index], index > 0 ? hits[index - 1] : nil)
  }
}
