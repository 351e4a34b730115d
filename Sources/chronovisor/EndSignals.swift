internal import Glibc
internal import Synchronization

/// Signals that end this process in order: every thread has them blocked, and one waits for them.
final class EndSignals: Sendable {
  /// What the signals do; called from the thread that waits.
  struct Response: Sendable {
    /// The first one came: begins the end.
    var begin: @Sendable (_ number: Int32) -> Void
    /// Seconds that the end may take; `nil` for as long as nobody sends another signal.
    var patience: Int?
    /// Another one came, or the patience is over.
    var insist: @Sendable (_ number: Int32) -> Void
  }

  private let numbers: [Int32]
  private let received = Atomic<Int32>(0)

  /// From here on the signals wait. Call before other threads are started: they inherit the blocked signals.
  init(_ numbers: [Int32]) {
    self.numbers = numbers
    var signals = signals
    unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
  }

  /// Answers the signals, also one that came before. Call once.
  func start(_ response: Response) throws {
    pthread_detach(try startThread { self.wait(response) })
  }

  /// What a shell makes of the signal; `nil` when none came.
  var exitStatus: Int32? {
    let number = received.load(ordering: .relaxed)
    return number == 0 ? nil : 128 + number
  }

  private var signals: sigset_t {
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    for number in numbers { unsafe sigaddset(&signals, number) }
    return signals
  }

  private func wait(_ response: Response) {
    while let number = next(within: nil) {
      received.store(number, ordering: .relaxed)
      response.begin(number)
      // timeout(1) and terminals send one signal to the process and to its group: that is not somebody who insists.
      usleep(200_000)
      while next(within: 0) != nil {}
      response.insist(next(within: response.patience) ?? number)
    }
  }

  /// The next signal; `nil` when none comes within so many seconds.
  private func next(within seconds: Int?) -> Int32? {
    var signals = signals
    guard let seconds else {
      var number: Int32 = 0
      return unsafe sigwait(&signals, &number) == 0 ? number : nil
    }
    var patience = timespec(tv_sec: seconds, tv_nsec: 0)
    let number = unsafe sigtimedwait(&signals, nil, &patience)
    return number > 0 ? number : nil
  }
}
