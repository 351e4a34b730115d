internal import Trace

/// How the instructions of a recording are numbered, where not all of them have been counted.
///
/// KVM brings the machine ahead without counting (`FastForward`). The place where it arrives begins an epoch, whose
/// numbers are far beyond all of the epoch before. So numbers order the places of a run, and within an epoch they
/// count. How many instructions come before a place is known when every epoch before its own has been run through by
/// the software engine, which counts, or when the trace says it.
///
/// An epoch begins where nobody has been before: places that have a number keep it.
struct Epochs {
  struct Epoch {
    /// The number of the first instruction.
    let start: UInt64
    /// Events that are complete at the start, which lies right behind the last of them.
    let events: UInt64
    /// The state at the start, as KVM left it.
    let digest: StateDigest?
    /// Instructions in the epoch, once they are known.
    fileprivate(set) var length: UInt64?
    /// Instructions before the epoch, once they are known.
    fileprivate(set) var base: UInt64?
  }

  private(set) var all = [Epoch(start: 0, events: 0, digest: nil, base: 0)]

  /// No epoch has as many instructions: an hour of the fastest host's.
  private static let stride: UInt64 = 1 << 44
  /// No more epochs than this.
  static let maximumCount = 1 << 14

  /// Begins an epoch behind everything; returns the number of its first instruction.
  mutating func begin(events: UInt64, digest: StateDigest) -> UInt64 {
    precondition(events > all[all.count - 1].events && all.count < Epochs.maximumCount, "no place for an epoch")
    let start = UInt64(all.count) * Epochs.stride
    all.append(Epoch(start: start, events: events, digest: digest))
    return start
  }

  /// The epoch that a number belongs to.
  private func index(of number: UInt64) -> Int { min(Int(number / Epochs.stride), all.count - 1) }

  /// The epoch that follows the one of a number.
  func next(after number: UInt64) -> Epoch? {
    let index = index(of: number) + 1
    return index < all.count ? all[index] : nil
  }

  /// The epoch that a number is the first of, unless it is the begin of the recording.
  func epoch(startingAt number: UInt64) -> Epoch? {
    let epoch = all[index(of: number)]
    return number > 0 && epoch.start == number ? epoch : nil
  }

  /// The number of the last instruction before an epoch, where the one before it has been counted.
  func numberBefore(_ epoch: Epoch) -> UInt64? {
    let before = all[index(of: epoch.start) - 1]
    return before.length.map { before.start + min(max($0, 1), Epochs.stride) - 1 }
  }

  // MARK: counts

  /// How many instructions come before the one with a number.
  func count(upTo number: UInt64) -> UInt64? {
    let epoch = all[index(of: number)]
    return epoch.base.map { $0 &+ (number - epoch.start) }
  }

  /// The number after so many instructions. Beyond what has been counted it is only a place that comes no later.
  func number(afterInstructions count: UInt64) -> UInt64 {
    var found = all[0]
    for epoch in all { if let base = epoch.base, base <= count { found = epoch } }
    return found.start + min(count - (found.base ?? 0), Epochs.stride - 1)
  }

  /// The first epoch whose length nobody knows, and after which others come.
  var uncounted: (epoch: Epoch, next: Epoch)? {
    zip(all, all.dropFirst()).first { $0.0.length == nil }.map { (epoch: $0.0, next: $0.1) }
  }

  /// The software engine came from the epoch of a number, which is the last, to the start of the next.
  mutating func learn(end number: UInt64) {
    let index = index(of: number)
    all[index].length = number - all[index].start
    propagate()
  }

  /// A recorded digest at a number may say how many instructions come before it. What it says is checked when the
  /// software engine comes there.
  mutating func learn(_ digest: StateDigest, at number: UInt64) {
    let index = index(of: number)
    guard digest.instructions > 0, all[index].base == nil, digest.instructions >= number - all[index].start else {
      return
    }
    all[index].base = digest.instructions - (number - all[index].start)
    propagate()
  }

  private mutating func propagate() {
    for index in all.indices.dropFirst() {
      let before = all[index - 1]
      switch (before.base, before.length, all[index].base) {
      case (let base?, let length?, nil): all[index].base = base &+ length
      case (let base?, nil, let next?) where next >= base: all[index - 1].length = next - base
      default: break
      }
    }
  }

  // MARK: distances

  /// Where numbers lie on a scale on which uncounted epochs have a likely length.
  struct Scale {
    fileprivate let starts: [Double]
  }

  /// Instructions that an uncounted epoch is taken for.
  private static let likelyLength = 100_000_000.0

  var scale: Scale {
    var starts = [0.0]
    for epoch in all.dropLast() {
      starts.append(starts[starts.count - 1] + (epoch.length.map { Double($0) } ?? Epochs.likelyLength))
    }
    return Scale(starts: starts)
  }

  func place(of number: UInt64, on scale: Scale) -> Double {
    let index = index(of: number)
    return scale.starts[index] + Double(number - all[index].start)
  }
}
