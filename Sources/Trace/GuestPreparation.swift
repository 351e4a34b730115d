internal import Glibc
internal import Synchronization
internal import VMMCore

/// Compresses a guest on a thread of its own, so that the guest need not wait for that: a kernel with its symbols takes
/// as long as a tenth of its boot.
final class GuestPreparation: Sendable {
  private let machine: InitialMachine
  private let chunks = Mutex<[PreparedChunk]>([])
  private let thread = Mutex<pthread_t?>(nil)

  /// Smaller guests are not worth a thread.
  static let worthwhileSize = 4 << 20

  /// Begins; `nil` for a small guest, and where there are no threads to be had.
  init?(_ machine: InitialMachine) {
    guard machine.images.reduce(0, { $0 + $1.bytes.count }) >= GuestPreparation.worthwhileSize else { return nil }
    self.machine = machine
    guard start() else { return nil }
  }

  private func start() -> Bool {
    // Signals are for the threads that wait for them.
    var (all, before) = (sigset_t(), sigset_t())
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
    var made = pthread_t()
    let context = unsafe Unmanaged.passRetained(self).toOpaque()
    let result = unsafe pthread_create(
      &made, nil,
      { context in
        unsafe Unmanaged<GuestPreparation>.fromOpaque(context!).takeRetainedValue().prepare()
        return nil
      }, context)
    guard result == 0 else {
      unsafe Unmanaged<GuestPreparation>.fromOpaque(context).release()
      return false
    }
    thread.withLock { $0 = made }
    return true
  }

  private func prepare() {
    let made = PreparedChunk.chunks(of: machine)
    chunks.withLock { $0 = made }
  }

  /// Waits for the end; the chunks, once.
  func take() -> [PreparedChunk] {
    if let thread = thread.withLock({ $0.take() }) { pthread_join(thread, nil) }
    return chunks.withLock { chunks in
      defer { chunks = [] }
      return chunks
    }
  }
}
