/// The timer of a local APIC (Intel SDM vol. 3, 11.5.4), at a bus clock of 1 GHz.
struct APICTimer: StatePart {
  /// The reload value of the periodic mode.
  private(set) var initialCount: UInt32 = 0
  private(set) var divideConfiguration: UInt32 = 0
  /// When the count next reaches 0; `nil` when it is not running.
  private(set) var expiry: UInt64?

  mutating func code(with coder: inout StateCoder) {
    coder.code(&initialCount)
    coder.code(&divideConfiguration)
    coder.code(&expiry)
  }

  /// Nanoseconds to a count.
  private var divisor: UInt64 {
    let code = divideConfiguration & 3 | divideConfiguration >> 1 & 4
    return code == 7 ? 1 : 2 << UInt64(code)
  }

  func currentCount(now: UInt64) -> UInt32 {
    guard let expiry, expiry > now else { return 0 }
    let (whole, rest) = (expiry - now).quotientAndRemainder(dividingBy: divisor)
    return UInt32(truncatingIfNeeded: min(whole + (rest == 0 ? 0 : 1), UInt64(UInt32.max)))
  }

  /// Starts the count; 0 stops it.
  mutating func start(count: UInt32, now: UInt64) {
    initialCount = count
    expiry = count == 0 ? nil : now.addingClamped(UInt64(count) * divisor)
  }

  /// The count goes on from where it is, at the new pace.
  mutating func setDivideConfiguration(_ value: UInt32, now: UInt64) {
    let left = currentCount(now: now)
    divideConfiguration = value & 0b1011
    if expiry != nil { expiry = now.addingClamped(UInt64(left) * divisor) }
  }

  /// True when the count reached 0 up to `now`, however often.
  mutating func advance(to now: UInt64, isPeriodic: Bool) -> Bool {
    guard let reached = expiry, reached <= now else { return false }
    let period = UInt64(initialCount) * divisor
    if isPeriodic, period > 0 {
      // The next multiple of the period after now; none beyond the end of time.
      let (next, overflow) = now.addingReportingOverflow(period - (now - reached) % period)
      expiry = overflow ? nil : next
    } else {
      expiry = nil
    }
    return true
  }
}
