/// How long a guest that is stopped by an alarm has to run at least. Entering it takes time, some microseconds or some
/// hundred: an alarm that comes before the first instruction must not keep the guest from running at all.
struct ShortestRun {
  private(set) var nanoseconds: UInt64 = least

  private static let least: UInt64 = 50_000
  private static let most: UInt64 = 5_000_000

  /// A run that was to end at `due` came back at `now`: what it took to leave the guest is about what entering takes.
  mutating func wasKicked(at now: UInt64, due: UInt64) {
    // Kicks by others come before.
    guard now >= due else { return }
    let wanted = min(max(4 * (now - due), ShortestRun.least), ShortestRun.most)
    // One late alarm of a busy machine says little.
    nanoseconds = wanted > nanoseconds ? nanoseconds + (wanted - nanoseconds) / 8 : wanted
  }
}
