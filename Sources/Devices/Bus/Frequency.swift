/// A clock derived from the machine's nanoseconds in integers, so that it never drifts.
public struct Frequency: Equatable, Sendable {
  /// Cycles in a second: 1 to 1,000,000,000.
  public let hertz: UInt64

  public init(hertz: UInt64) {
    precondition(hertz > 0 && hertz <= Frequency.nanoseconds, "a clock of 1 Hz to 1 GHz")
    self.hertz = hertz
  }

  /// Nanoseconds in a second.
  static let nanoseconds: UInt64 = 1_000_000_000

  /// How many cycles are complete at `now`: tick n happens at the first nanosecond at which n cycles are complete.
  public func ticks(at now: UInt64) -> UInt64 {
    // The high half stays below `hertz`, so the quotient fits.
    Frequency.nanoseconds.dividingFullWidth(now.multipliedFullWidth(by: hertz)).quotient
  }

  /// The nanosecond at which tick `tick` happens; the end of time when that lies beyond 64 bits.
  public func time(ofTick tick: UInt64) -> UInt64 {
    let product = tick.multipliedFullWidth(by: Frequency.nanoseconds)
    guard product.high < hertz else { return .max }
    let (quotient, remainder) = hertz.dividingFullWidth(product)
    return remainder == 0 ? quotient : quotient.addingReportingOverflow(1).overflow ? .max : quotient + 1
  }
}

extension UInt64 {
  /// The sum, or the end of time.
  func addingClamped(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
