internal import VMMCore

/// Counts what is translated, and the time that it takes by a clock that somebody else has.
struct TranslationMeter {
  let clock: () -> UInt64
  private(set) var statistics = TranslationStatistics()

  init(clock: @escaping () -> UInt64) { self.clock = clock }

  /// A block was made so many bytes of host code of, or none.
  mutating func note(_ head: OperationPointer, _ bytes: Int, since start: UInt64) {
    statistics.time += clock() &- start
    guard bytes > 0 else { return }
    statistics.blocks += 1
    statistics.instructions += head.left
    statistics.bytes += UInt64(bytes)
  }
}
