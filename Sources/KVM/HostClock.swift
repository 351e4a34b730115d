internal import CKVM
internal import Glibc
public import VMMCore

/// The host's monotonic clock, in nanoseconds since it was made, for one engine: stops it when a deadline comes. It
/// stands still while a recorder names the place of an interrupt.
public final class HostClock: MachineClock {
  public let name = "host"
  private let engine: any Engine
  /// The host's time at which this one's began, later by all the time that it stood still.
  private var start = ckvm_monotonic()
  /// The time while it stands still.
  private var stoodStillAt: UInt64?

  /// An engine that counts instructions is stopped after as many as may take until the deadline, and at most this
  /// many: some milliseconds.
  private static let slice: UInt64 = 1_000_000

  private static let longestSleep: UInt64 = 20_000_000

  public init(stopping engine: any Engine) { self.engine = engine }

  public func now() -> UInt64 { stoodStillAt ?? ckvm_monotonic() &- start }

  public func work() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  public func standStill<Result>(during work: () throws -> Result) rethrows -> Result {
    guard stoodStillAt == nil else { return try work() }
    let before = now()
    stoodStillAt = before
    defer {
      start = ckvm_monotonic() &- before
      stoodStillAt = nil
    }
    return try work()
  }

  public func idle(until deadline: UInt64?) {
    let now = now()
    guard let deadline, deadline > now else { return }
    // Whoever wants the machine to end is heard soon: not every kick ends a sleep.
    let nanoseconds = min(deadline - now, HostClock.longestSleep)
    var time = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    // A signal ends the sleep early, as `idle` may.
    unsafe nanosleep(&time, nil)
  }

  public func limit(until deadline: UInt64) throws(EngineError) -> RunLimit {
    if let engine = engine as? any DeadlineEngine {
      try engine.setDeadline(start &+ deadline)
      return .free
    }
    let now = now()
    return .instructions(deadline > now ? max(1, min(deadline - now, HostClock.slice)) : 1)
  }
}
