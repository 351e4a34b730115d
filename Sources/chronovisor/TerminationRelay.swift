internal import Glibc
internal import Synchronization

/// SIGTERM and SIGHUP, as long as a child runs: they go on to the child, and with its end this process ends in order.
final class TerminationRelay: Sendable {
  private let received = Atomic<Int32>(0)
  private let child = Atomic<pid_t>(0)

  /// The signal that came.
  var signalNumber: Int32? {
    let number = received.load(ordering: .relaxed)
    return number == 0 ? nil : number
  }

  /// From here on the signals wait. Call before other threads are started: they inherit the blocked signals.
  init() {
    var signals = TerminationRelay.signals
    unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
  }

  private static var signals: sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    unsafe sigaddset(&set, SIGTERM)
    unsafe sigaddset(&set, SIGHUP)
    return set
  }

  /// Passes the signals on, also one that came before.
  func start(for process: pid_t) throws {
    child.store(process, ordering: .relaxed)
    var thread = pthread_t()
    let context = unsafe Unmanaged.passRetained(self).toOpaque()
    let result = unsafe pthread_create(
      &thread, nil,
      { context in
        unsafe Unmanaged<TerminationRelay>.fromOpaque(context!).takeRetainedValue().wait()
        return nil
      }, context)
    guard result == 0 else { throw UsageError("cannot start a thread: \(errorText(result))") }
    pthread_detach(thread)
  }

  private func wait() {
    var signals = TerminationRelay.signals
    var number: Int32 = 0
    guard unsafe sigwait(&signals, &number) == 0 else { return }
    received.store(number, ordering: .relaxed)
    let process = child.load(ordering: .relaxed)
    kill(process, number)
    // This process ends with the child; a child that does not is ended.
    var patience = timespec(tv_sec: TerminationRelay.patience, tv_nsec: 0)
    _ = unsafe sigtimedwait(&signals, nil, &patience)
    kill(process, SIGKILL)
  }

  /// Seconds that the child may take to end.
  private static let patience = 2
}
