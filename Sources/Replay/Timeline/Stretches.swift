internal import X86

/// A part of the recording that has been run through, and what it touched.
///
/// It speaks of the places from `from` on up to, but not including, `to` where a breakpoint would be met, and of the
/// accesses whose moment (the one right after the instruction, or delivery) lies after `from` and up to `to`.
struct ExploredStretch<Traces: TouchedPlaces> {
  var from: Moment
  var to: Moment
  var traces: Traces
}

/// What was touched: at least that.
protocol TouchedPlaces {
  func mayHold(_ item: SearchItem) -> Bool
  func union(_ other: Self) -> Self
}

/// What is known of the recording: searches leave out the parts that cannot hold what is looked for.
///
/// Leaving out is exact. A footprint names at least the addresses where a breakpoint is met, and the pages that are
/// accessed, when the same part runs with breakpoints and watchpoints: both runs execute the same instructions at the
/// same moments, and footprints are taken where those are looked for (`Footprint`).
struct ExploredStretches<Traces: TouchedPlaces> {
  /// In the order of `from`.
  private(set) var all: [ExploredStretch<Traces>] = []
  /// No more than this many; neighbours are put together.
  private static var maximumCount: Int { 1024 }

  /// The end of the stretch that a moment lies in.
  func end(around moment: Moment) -> Moment? {
    all.first { $0.from <= moment && moment < $0.to }?.to
  }

  /// Nothing is new in a stretch that lies in one that is known.
  mutating func insert(_ stretch: ExploredStretch<Traces>) {
    guard stretch.from < stretch.to else { return }
    let index = all.firstIndex { $0.from > stretch.from } ?? all.count
    if index > 0, all[index - 1].from == stretch.from, stretch.to <= all[index - 1].to { return }
    all.insert(stretch, at: index)
    if all.count > ExploredStretches.maximumCount { merge() }
  }

  private mutating func merge() {
    var merged: [ExploredStretch<Traces>] = []
    for (index, stretch) in all.enumerated() {
      if index % 2 == 1, let last = merged.last, last.to == stretch.from {
        merged[merged.count - 1].to = stretch.to
        merged[merged.count - 1].traces = last.traces.union(stretch.traces)
      } else {
        merged.append(stretch)
      }
    }
    all = merged
  }

  /// The earliest moment from which on these stretches lead to `end` without a gap, and an item is found in none.
  func beginning(of item: SearchItem, upTo end: Moment) -> Moment {
    var beginning = end
    for stretch in all.reversed() where stretch.from < beginning && beginning <= stretch.to {
      if !stretch.traces.mayHold(item) { beginning = stretch.from }
    }
    return beginning
  }
}

extension Footprint: TouchedPlaces {
  func mayHold(_ item: SearchItem) -> Bool {
    switch item {
    case .breakpoint(let address, _): mayExecute(address)
    case .watch(let range): mayAccess(range.first, range.last, writes: range.kind == .write)
    }
  }
}

// Taking footprints while the machine moves.
extension Timeline {
  /// Begins and ends footprints where they are due; the instruction count where that is to be looked at again.
  func dueFootprint() -> UInt64 {
    let here = moment
    guard machine.isAtInstruction else { return here.instructions &+ 1 }
    if let from = footprintStart {
      if here.instructions &- from.instructions < options.stretch { return from.instructions &+ options.stretch }
      endFootprint()
    }
    if let end = stretches.end(around: here) { return max(end.instructions, here.instructions &+ 1) }
    machine.engine.startFootprint()
    footprintStart = here
    return here.instructions &+ options.stretch
  }

  /// Before the machine leaves the way it is on.
  func endFootprint() {
    guard let from = footprintStart, let footprint = machine.engine.takeFootprint() else { return }
    footprintStart = nil
    stretches.insert(ExploredStretch(from: from, to: moment, traces: footprint))
  }
}
