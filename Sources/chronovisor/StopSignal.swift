internal import Glibc
internal import Replay
internal import Synchronization
internal import Trace
internal import VMMCore

/// What ends a run from outside, in order: Ctrl-C, SIGTERM, and a limit of wall time. All set a flag and kick the vCPU.
/// When that does not end the run within seconds, or a second signal comes, the process ends at once: a trace is good
/// up to its last chunk.
final class StopSignal: Sendable {
  private let isInterrupted = Atomic<Bool>(false)
  private let isTimedOut = Atomic<Bool>(false)
  private let ended = Atomic<Bool>(false)
  private let kick: @Sendable () -> Void

  /// Seconds that the end of a run may take.
  private static let patience: UInt32 = 5

  /// Why the run is to end; `nil` while it is not.
  var reason: EndReason? {
    if isInterrupted.load(ordering: .relaxed) { return .interrupted }
    return isTimedOut.load(ordering: .relaxed) ? .timeout : nil
  }

  /// Call before other threads are started: they inherit the blocked signals.
  init(kicking engine: any Engine) throws {
    // An engine's `kick` may be called from any thread.
    nonisolated(unsafe) let engine = engine
    kick = { unsafe engine.kick() }
    try EndSignals([SIGINT, SIGTERM]).start(
      EndSignals.Response(
        begin: { self.request($0) }, patience: Int(StopSignal.patience), insist: { self.insist(128 + $0) }))
  }

  /// Ends the run after so many nanoseconds, however its own time goes.
  func limit(to nanoseconds: UInt64) throws {
    pthread_detach(
      try startThread {
        var time = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        // No signal is for this thread, so the sleep is whole.
        unsafe nanosleep(&time, nil)
        self.isTimedOut.store(true, ordering: .relaxed)
        self.kick()
        sleep(StopSignal.patience)
        self.insist(ExitStatus.timeout)
      })
  }

  private func request(_ number: Int32) {
    if ended.load(ordering: .relaxed) { _exit(128 + number) }
    isInterrupted.store(true, ordering: .relaxed)
    kick()
  }

  private func insist(_ status: Int32) {
    if !ended.load(ordering: .relaxed) { _exit(status) }
  }

  /// The run is over: from here on a signal ends the process.
  func end() { ended.store(true, ordering: .relaxed) }
}
