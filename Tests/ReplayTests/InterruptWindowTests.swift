import Replay
import Support
import Testing
import Trace
import VMMCore

/// The guest that lets interrupts wait and opens windows of a few instructions for them: no window is missed.
@Suite struct InterruptWindowTests {
  private let folder = TemporaryFolder()

  private func everyWindowIsUsed(on engine: EngineKind, replays: [EngineKind]) throws {
    let path = folder.file("windows.trace")
    let outcome = try Recorder.record("windows", to: path, engine: engine)
    #expect(outcome.end == .powerOff)
    for kind in replays {
      let replayed = try TraceReplayer(path: path, engine: kind).replay { _ in }
      #expect(replayed.end == .powerOff && replayed.events == outcome.events, "\(kind)")
      #expect(replayed.state == outcome.state, "\(kind)")
    }
  }

  @Test func onTheSoftwareEngine() throws { try everyWindowIsUsed(on: .software, replays: [.software]) }

  @Test(.enabled(if: kvmAvailable, "needs /dev/kvm")) func onKVM() throws {
    try everyWindowIsUsed(on: .kvm, replays: [.kvm, .software])
  }

  @Test(.enabled(if: kvmAvailable && EngineKind.hybrid.isOffered, "needs a KVM that hands user-mode faults over"))
  func onBoth() throws { try everyWindowIsUsed(on: .hybrid, replays: [.hybrid, .software]) }

  @Test func twoRecordingsAreTheSame() throws {
    let (first, second) = (folder.file("1.trace"), folder.file("2.trace"))
    try Recorder.record("windows", to: first, engine: .software)
    try Recorder.record("windows", to: second, engine: .software)
    #expect(try Recorder.events(of: first).1 == Recorder.events(of: second).1)
  }
}
