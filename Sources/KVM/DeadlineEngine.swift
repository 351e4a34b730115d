internal import CKVM
public import VMMCore

/// An engine that runs guest code without counting it, and is stopped by an alarm.
public protocol DeadlineEngine: Engine {
  /// Makes a `run` that is under way at `deadline` (CLOCK_MONOTONIC, nanoseconds) return `.kicked`. One deadline at a
  /// time; naming the same one again costs nothing.
  func setDeadline(_ deadline: UInt64) throws(EngineError)
}

extension KVMEngine: DeadlineEngine {
  /// Whether a kick is due, which is thereby taken: for a partner that runs the guest instead of this engine.
  public func takeKick() throws(EngineError) -> Bool {
    try adoptThread()
    return unsafe ckvm_kick_consume(kickState) != 0
  }
}
