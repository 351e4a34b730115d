internal import CKVM
public import VMMCore

/// A one-shot timer that kicks a vCPU: a POSIX timer whose signal goes straight to the vCPU's thread. Use it on that
/// thread only. An engine has one timer; a second `KickTimer` of the same engine shares it.
public final class KickTimer {
  private let engine: KVMEngine

  public init(_ engine: KVMEngine) { self.engine = engine }

  deinit {
    // Elsewhere the vCPU may be running, and would hold up its owner.
    if unsafe ckvm_kick_is_thread(engine.kickState) != 0 { try? disarm() }
  }

  /// The time that deadlines are in: the host's CLOCK_MONOTONIC, in nanoseconds.
  public static var now: UInt64 { ckvm_monotonic() }

  /// Kicks at `deadline`, at once when that has passed. Replaces an earlier deadline; no system call when it is the
  /// same.
  public func arm(deadline: UInt64) throws(EngineError) { try engine.setDeadline(max(deadline, 1)) }

  public func disarm() throws(EngineError) { try engine.setDeadline(0) }
}

extension KVMEngine {
  public func setDeadline(_ deadline: UInt64) throws(EngineError) {
    try adoptThread()
    try check(unsafe ckvm_kick_set_deadline(kickState, deadline), "timer_settime")
  }

  /// Kicks go to the calling thread from now on.
  @inline(__always)
  func adoptThread() throws(EngineError) {
    if unsafe ckvm_kick_is_thread(kickState) == 0 {
      try check(unsafe ckvm_kick_adopt_thread(kickState, vcpu.descriptor), "KVM_SET_SIGNAL_MASK")
    }
  }
}
