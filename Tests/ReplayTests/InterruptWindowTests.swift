import Machine
import Replay
import Support
import Testing
import Trace
import VMMCore

/// Guests that let interrupts wait and open the gate for a few instructions: each has to come at the first place where
/// the CPU accepts it. They check that themselves.
@Suite struct InterruptWindowTests {
  private let folder = TemporaryFolder()

  private static let guests = ["windows", "selfipi", "useripi", "pending"]

  private func everyWindowIsUsed(by guest: String, on engine: EngineKind, replays: [EngineKind]) throws {
    let path = folder.file("windows.trace")
    let outcome = try Recorder.record(guest, to: path, engine: engine)
    #expect(outcome.end == .powerOff)
    for kind in replays {
      let replayed = try TraceReplayer(path: path, engine: kind).replay { _ in }
      #expect(replayed.end == .powerOff && replayed.events == outcome.events, "\(kind)")
      #expect(replayed.state.digest == outcome.state?.digest, "\(kind)")
      // Engines differ in what no guest can see, such as the hidden part of a segment that is not used.
      if kind == engine { #expect(replayed.state == outcome.state, "\(kind)") }
    }
  }

  @Test(arguments: guests) func onTheSoftwareEngine(guest: String) throws {
    try everyWindowIsUsed(by: guest, on: .software, replays: [.software])
  }

  @Test(.enabled(if: kvmAvailable, "needs /dev/kvm"), arguments: guests) func onKVM(guest: String) throws {
    try everyWindowIsUsed(by: guest, on: .kvm, replays: [.kvm, .software])
  }

  @Test(
    .enabled(if: kvmAvailable && EngineKind.hybrid.isOffered, "needs a KVM that hands user-mode faults over"),
    arguments: guests)
  func onBoth(guest: String) throws { try everyWindowIsUsed(by: guest, on: .hybrid, replays: [.hybrid, .software]) }

  @Test(arguments: guests) func twoRecordingsAreTheSame(guest: String) throws {
    let (first, second) = (folder.file("1.trace"), folder.file("2.trace"))
    try Recorder.record(guest, to: first, engine: .software)
    try Recorder.record(guest, to: second, engine: .software)
    #expect(try Recorder.events(of: first).1 == Recorder.events(of: second).1)
  }

  /// What a PC prints: one interrupt each, behind the first instruction after STI and right behind POPF and IRET.
  private func aPendingInterruptIsSeenAtOnce(on engine: EngineKind) throws {
    let path = folder.file("pending.trace")
    try Recorder.record("pending", to: path, engine: engine)
    var console: [UInt8] = []
    _ = try TraceReplayer(path: path, engine: engine).replay { console.append($0) }
    let lines = ["STI; NOP", "POPF", "IRET"].map { "1 interrupt seen behind \($0)\n" }
    #expect(String(decoding: console, as: UTF8.self) == lines.joined())
  }

  @Test func pendingOnTheSoftwareEngine() throws { try aPendingInterruptIsSeenAtOnce(on: .software) }

  @Test(.enabled(if: kvmAvailable, "needs /dev/kvm")) func pendingOnKVM() throws {
    try aPendingInterruptIsSeenAtOnce(on: .kvm)
  }
}
