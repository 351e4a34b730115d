internal import Glibc
internal import Synchronization

/// Ctrl-C and SIGTERM end a replay that nobody debugs between two looks at whether it should go on: what was found so
/// far is reported. A second signal, or seconds without an end, end the process at once.
final class ReplayStop: Sendable {
  private let requested = Atomic<Bool>(false)
  private let signals = EndSignals([SIGINT, SIGTERM])

  var isRequested: Bool { requested.load(ordering: .relaxed) }

  /// What a shell makes of the signal; `nil` when none came.
  var exitStatus: Int32? { signals.exitStatus }

  init() throws {
    try signals.start(
      EndSignals.Response(
        begin: { _ in self.requested.store(true, ordering: .relaxed) }, patience: 5, insist: { _exit(128 + $0) }))
  }
}
