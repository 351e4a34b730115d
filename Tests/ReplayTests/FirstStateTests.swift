import Machine
import Replay
import Support
import Testing
import Trace
import VMMCore

/// A recording that says it began with what no CPU holds: KVM leaves such bits out without a word, so that its replay
/// would be exact.
@Suite(.enabled(if: kvmAvailable, "needs /dev/kvm")) struct FirstStateTests {
  let folder = TemporaryFolder()

  private static let lies: [(name: String, change: @Sendable (inout CPUState) -> Void)] = [
    ("a reserved bit of MXCSR", { $0.mxcsr |= 1 << 20 }),
    ("an address that is not canonical", { $0.sysenterESP = 1 << 50 }),
    ("the same", { $0.sysenterEIP = 1 << 63 }),
  ]

  @Test func isNoReplay() throws {
    let path = folder.file("hello.trace")
    try Recorder.record("hello", to: path)
    let (reader, events) = try Recorder.events(of: path)
    #expect(throws: Never.self) { try TraceReplayer(path: path, engine: .kvm).replay { _ in } }
    for (name, change) in FirstStateTests.lies {
      let changed = folder.file("changed.trace")
      var machine = try reader.initialMachine()
      change(&machine.state)
      let writer = try TraceWriter(path: changed, header: reader.header, machine: machine)
      for event in events { try writer.append(event) }
      try writer.close(elapsed: reader.duration)
      for engine: EngineKind? in [.kvm, nil] {
        let replayer = try TraceReplayer(path: changed, engine: engine)
        #expect(throws: (any Error).self, "\(name)") { try replayer.replay { _ in } }
      }
    }
  }
}
