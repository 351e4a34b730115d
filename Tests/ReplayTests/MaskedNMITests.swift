import Replay
import Support
import Testing
import Trace
import VMMCore

/// An NMI that a device sends while one is handled.
@Suite struct MaskedNMITests {
  let folder = TemporaryFolder()

  @Test func comesRightBehindIRETOnTheSoftwareEngine() throws {
    let path = folder.file("nmiself.trace")
    #expect(try Recorder.record("nmiself", to: path, engine: .software).end == .powerOff)
    var text: [UInt8] = []
    _ = try TraceReplayer(path: path, engine: nil).replay { text.append($0) }
    #expect(String(decoding: text, as: UTF8.self) == "NMIs: 2, late: 0\n")
    let timeline = try Timeline(path: path)
    _ = try timeline.finish()
  }

  /// KVM may take it some instructions later, but then always there.
  @Test(.enabled(if: kvmAvailable, "needs /dev/kvm")) func replaysOnKVM() throws {
    let path = folder.file("nmiself.trace")
    #expect(try Recorder.record("nmiself", to: path).end == .powerOff)
    let replayer = try TraceReplayer(path: path, engine: nil)
    let first = try replayer.replay { _ in }
    #expect(try replayer.replay { _ in } == first)
    #expect(try TraceReplayer(path: path, engine: .software).replay { _ in }.end == .powerOff)
  }
}
