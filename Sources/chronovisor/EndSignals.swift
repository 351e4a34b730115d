internal import Glibc
internal import Synchronization

/// Signals that end a replay under a debugger in order: files are removed, a gdb of our own ends as well.
final class EndSignals: Sendable {
  private let signals: [Int32]
  private let received = Atomic<Int32>(0)
  private let action: @Sendable () -> Void

  /// Blocks the signals in this thread and those that it starts from now on, and waits for the first one on a thread
  /// of its own. A second one ends the process at once.
  ///
  /// - Parameter action: called from that thread.
  init(_ signals: [Int32], action: @escaping @Sendable () -> Void) throws {
    self.signals = signals
    self.action = action
    var set = set
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    var thread = pthread_t()
    let context = unsafe Unmanaged.passRetained(self).toOpaque()
    let result = unsafe pthread_create(
      &thread, nil,
      { context in
        unsafe Unmanaged<EndSignals>.fromOpaque(context!).takeRetainedValue().wait()
        return nil
      }, context)
    guard result == 0 else { throw UsageError("cannot start a thread: \(errorText(result))") }
    pthread_detach(thread)
  }

  /// What a shell makes of the signal; `nil` when none came.
  var exitStatus: Int32? {
    let number = received.load(ordering: .relaxed)
    return number == 0 ? nil : 128 + number
  }

  private var set: sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for number in signals { unsafe sigaddset(&set, number) }
    return set
  }

  private func wait() {
    var set = set
    var number: Int32 = 0
    while unsafe sigwait(&set, &number) == 0 {
      if received.load(ordering: .relaxed) != 0 { _exit(128 + number) }
      received.store(number, ordering: .relaxed)
      action()
    }
  }
}
