/// One of the things that a backward run looks for.
enum SearchItem: Hashable {
  /// A breakpoint; whether it is reported depends on the place and the condition alone, where that is not `nil`. As an
  /// item that was not found, `nil` stands for every condition.
  case breakpoint(UInt64, condition: [UInt8]?)
  case watch(WatchRange)

  /// Where this is not found, the other one is not either.
  func covers(_ other: SearchItem) -> Bool {
    switch (self, other) {
    case (.breakpoint(let mine, let condition), .breakpoint(let its, let other)):
      mine == its && (condition == nil || condition == other)
    case (.watch(let mine), .watch(let its)):
      (mine.kind == .access || mine.kind == its.kind) && mine.first <= its.first && its.last <= mine.last
        && (mine.space == nil || mine.space == its.space)
    default: false
    }
  }
}

/// Where earlier searches have looked for something in vain: the same search leaves these parts out.
///
/// A part speaks of the same places as an `ExploredStretch`. Other than that it says exactly what happened: a watched
/// word that lies beside a busy one, a breakpoint whose condition does not hold.
struct SearchedParts {
  private struct Part {
    var from: Moment
    var to: Moment
  }
  /// Ascending, and no part touches another.
  private var parts: [SearchItem: [Part]] = [:]
  /// The items, least recently searched for first.
  private var order: [SearchItem] = []
  /// No more items than this.
  private static let maximumCount = 256

  mutating func insert(_ item: SearchItem, from: Moment, to: Moment) {
    guard from < to else { return }
    var new = Part(from: from, to: to)
    var kept: [Part] = []
    for part in parts[item] ?? [] {
      if part.to < new.from || new.to < part.from {
        kept.append(part)
      } else {
        new = Part(from: min(part.from, new.from), to: max(part.to, new.to))
      }
    }
    kept.insert(new, at: kept.firstIndex { $0.from > new.from } ?? kept.count)
    parts[item] = kept
    if let index = order.firstIndex(of: item) { order.remove(at: index) }
    order.append(item)
    if order.count > SearchedParts.maximumCount { parts[order.removeFirst()] = nil }
  }

  /// The earliest moment from which on nothing of an item is found up to `end`.
  func beginning(of item: SearchItem, upTo end: Moment) -> Moment {
    var beginning = end
    for known in order where known.covers(item) {
      if let part = parts[known]?.first(where: { $0.from < end && end <= $0.to }) {
        beginning = min(beginning, part.from)
      }
    }
    return beginning
  }
}

extension TimelineRequest {
  func items(_ control: any TimelineControl) -> [SearchItem] {
    breakpoints.map { .breakpoint($0, condition: control.condition(at: $0)) } + watches.map { .watch($0) }
  }
}

/// What a search through a part has met.
struct SearchTally {
  /// Breakpoints that were come to, and those that were reported.
  private var met: Set<UInt64> = []
  private var reported: Set<UInt64> = []
  private var hasWatchHit = false

  mutating func met(breakpointAt address: UInt64) { met.insert(address) }
  mutating func reported(breakpointAt address: UInt64) { reported.insert(address) }
  /// An instruction tells of its first watched access alone: nothing is known of the other watchpoints then.
  mutating func metWatch() { hasWatchHit = true }

  /// What was not found, as generally as that can be said.
  func missing(of items: [SearchItem]) -> [SearchItem] {
    items.compactMap { item in
      switch item {
      case .watch: hasWatchHit ? nil : item
      case .breakpoint(let address, let condition):
        if !met.contains(address) {
          .breakpoint(address, condition: nil)
        } else {
          reported.contains(address) || condition == nil ? nil : item
        }
      }
    }
  }
}
