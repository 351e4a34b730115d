internal import VMMCore

/// A moment of a replay that can be gone back to.
final class Checkpoint {
  let moment: Moment
  let state: CPUState
  /// `SoftwareEngine.iterationsUnderWay`.
  let iterations: UInt64
  let progress: ReplayProgress
  let image: MemoryImage

  init(moment: Moment, state: CPUState, iterations: UInt64, progress: ReplayProgress, image: MemoryImage) {
    self.moment = moment
    self.state = state
    self.iterations = iterations
    self.progress = progress
    self.image = image
  }

  var position: Position {
    Position(
      ordinal: moment.events, instructions: moment.instructions &- progress.retiredAtEvent,
      iterations: moment.iterations)
  }
}

/// The automatic checkpoints, in the order of their moments. The first is the begin, and stays.
struct CheckpointStore {
  private(set) var all: [Checkpoint] = []
  /// The index of the first checkpoint at or after a moment.
  private func index(atOrAfter moment: Moment) -> Int {
    var (low, high) = (0, all.count)
    while low < high {
      let middle = (low + high) / 2
      if all[middle].moment < moment { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The last one before a moment.
  func last(before moment: Moment) -> Checkpoint? {
    let index = index(atOrAfter: moment)
    return index == 0 ? nil : all[index - 1]
  }

  /// The last one at or before a moment.
  func last(upTo moment: Moment) -> Checkpoint? {
    let index = index(atOrAfter: moment)
    if index < all.count, all[index].moment == moment { return all[index] }
    return index == 0 ? nil : all[index - 1]
  }

  /// One lies within `distance` instructions before the moment.
  func hasOne(within distance: UInt64, before moment: Moment) -> Bool {
    guard let last = last(upTo: moment) else { return false }
    return moment.instructions &- last.moment.instructions < distance
  }

  mutating func insert(_ checkpoint: Checkpoint) {
    let index = index(atOrAfter: checkpoint.moment)
    if index < all.count, all[index].moment == checkpoint.moment { return }
    all.insert(checkpoint, at: index)
  }

  /// How many checkpoints a budget is for: one costs some kilobytes, and some of the trace, even when it shares all
  /// pages.
  private static func maximumCount(_ budget: Int) -> Int { max(512, budget >> 17) }

  /// Lets go of checkpoints until they fit the budget: those first whose loss makes the gap that grows the least,
  /// measured against the distance from `here`. What is left lies dense around `here` and evenly over the rest.
  mutating func thin(around here: Moment, budget: Int, pool: PagePool, _ epochs: Epochs) {
    let maximumCount = CheckpointStore.maximumCount(budget)
    guard all.count > 2, pool.bytes > budget || all.count > maximumCount else { return }
    let scale = epochs.scale
    var places = all.map { epochs.place(of: $0.moment.instructions, on: scale) }
    let here = epochs.place(of: here.instructions, on: scale)
    while all.count > 2, pool.bytes > budget || all.count > maximumCount {
      let victim = CheckpointStore.leastLoss(places, here)
      all.remove(at: victim)
      places.remove(at: victim)
    }
  }

  /// Which of at least three places is missed the least; never the first.
  private static func leastLoss(_ places: [Double], _ here: Double) -> Int {
    var (victim, lowest) = (1, Double.infinity)
    let span = places[places.count - 1] + 1
    for index in 1..<places.count {
      let (before, at) = (places[index - 1], places[index])
      let after = index + 1 < places.count ? places[index + 1] : at + (at - before)
      let cost = (after - before) / (abs(at - here) + span / 64)
      if cost < lowest { (victim, lowest) = (index, cost) }
    }
    return victim
  }
}
