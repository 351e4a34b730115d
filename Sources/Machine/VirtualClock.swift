public import VMMCore

/// Time that passes with the instructions retired, at a set rate, and with each access to a device; idle time is
/// skipped. Two recordings of one guest with the same inputs are the same.
public final class VirtualClock: MachineClock {
  public let name = "virtual"
  private let engine: any Engine
  private let nanosecondsPerInstruction: UInt64
  private var skipped: UInt64 = 0

  /// The engine must count instructions.
  public init(engine: any Engine, nanosecondsPerInstruction: UInt64) {
    precondition(engine.retiredInstructions != nil, "virtual time needs an engine that counts")
    precondition(nanosecondsPerInstruction > 0)
    self.engine = engine
    self.nanosecondsPerInstruction = nanosecondsPerInstruction
  }

  public func now() -> UInt64 { (engine.retiredInstructions ?? 0) &* nanosecondsPerInstruction &+ skipped }

  public func work() -> UInt64 { now() }

  public func idle(until deadline: UInt64?) {
    guard let deadline else { return }
    let now = now()
    if deadline > now { skipped += deadline - now }
  }

  public func spend(_ nanoseconds: UInt64) { skipped += nanoseconds }

  public func limit(until deadline: UInt64) throws(EngineError) -> RunLimit {
    let now = now()
    guard deadline > now else { return .instructions(1) }
    return .instructions((deadline - now + nanosecondsPerInstruction - 1) / nanosecondsPerInstruction)
  }
}
