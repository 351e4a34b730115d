internal import Glibc
internal import Replay
internal import Synchronization
internal import VMMCore

/// Ctrl-C and SIGTERM end a run in order: they set a flag and kick the vCPU. When that does not end the run within
/// seconds, or a second signal comes, the process ends at once: a trace is good up to its last chunk.
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
    try EndSignals([SIGINT, SIGTERM]).start(
      EndSignals.Response(begin: { self.request($0) }, patience: 5, insist: { self.insist($0) }))
  }

  private func request(_ number: Int32) {
    if ended.load(ordering: .relaxed) { _exit(128 + number) }
    requested.store(true, ordering: .relaxed)
    kick()
  }

  private func insist(_ number: Int32) {
    if !ended.load(ordering: .relaxed) { _exit(128 + number) }
  }

  /// The run is over: from here on a signal ends the process.
  func end() { ended.store(true, ordering: .relaxed) }
}
