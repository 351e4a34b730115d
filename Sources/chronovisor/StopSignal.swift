internal import Glibc
internal import Replay
internal import Synchronization
internal import VMMCore

/// Ctrl-C and SIGTERM end a run in order: a thread waits for them, sets a flag and kicks the vCPU. When that does not
/// end the run within seconds, or a second signal comes, the process ends at once: a trace is good up to its last
/// chunk.
final class StopSignal: Sendable {
  private let requested = Atomic<Bool>(false)
  private let ended = Atomic<Bool>(false)
  private let kick: @Sendable () -> Void

  var isRequested: Bool { requested.load(ordering: .relaxed) }

  /// Call before other threads are started: they inherit the blocked signals.
  init(kicking engine: any Engine) throws {
    // An engine's `kick` may be called from any thread.
    nonisolated(unsafe) let engine = engine
    kick = { unsafe engine.kick() }
    var signals = StopSignal.signals
    unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    try startThread()
  }

  private static var signals: sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    unsafe sigaddset(&set, SIGINT)
    unsafe sigaddset(&set, SIGTERM)
    return set
  }

  private func startThread() throws {
    var thread = pthread_t()
    let context = unsafe Unmanaged.passRetained(self).toOpaque()
    let result = unsafe pthread_create(
      &thread, nil,
      { context in
        unsafe Unmanaged<StopSignal>.fromOpaque(context!).takeRetainedValue().wait()
        return nil
      }, context)
    guard result == 0 else { throw UsageError("cannot start a thread: \(errorText(result))") }
    pthread_detach(thread)
  }

  private func wait() {
    var signals = StopSignal.signals
    var number: Int32 = 0
    while unsafe sigwait(&signals, &number) == 0 {
      if requested.load(ordering: .relaxed) || ended.load(ordering: .relaxed) { _exit(128 + number) }
      requested.store(true, ordering: .relaxed)
      kick()
      var patience = timespec(tv_sec: StopSignal.patience, tv_nsec: 0)
      let second = unsafe sigtimedwait(&signals, nil, &patience)
      if !ended.load(ordering: .relaxed) { _exit(128 + (second > 0 ? second : number)) }
    }
  }

  /// Seconds that a run may take to end.
  private static let patience = 5

  /// The run is over: from here on a signal ends the process.
  func end() { ended.store(true, ordering: .relaxed) }
}
