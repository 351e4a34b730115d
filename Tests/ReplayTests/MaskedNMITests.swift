import Machine
import Replay
import Support
import Testing
import Trace
import VMMCore

/// An NMI that a device sends while one is handled comes right behind the IRET that ends the handler.
@Suite struct MaskedNMITests {
  let folder = TemporaryFolder()

  private func record(on engine: EngineKind) throws -> String {
    let path = folder.file("nmiself.trace")
    #expect(try Recorder.record("nmiself", to: path, engine: engine).end == .powerOff)
    var text: [UInt8] = []
    _ = try TraceReplayer(path: path, engine: nil).replay { text.append($0) }
    #expect(String(decoding: text, as: UTF8.self) == "NMIs: 2, late: 0\n")
    return path
  }

  @Test func onTheSoftwareEngine() throws {
    _ = try Timeline(path: record(on: .software)).finish()
  }

  @Test(.enabled(if: kvmAvailable, "needs /dev/kvm")) func fromSoftwareToKVM() throws {
    let path = try record(on: .software)
    #expect(try TraceReplayer(path: path, engine: .kvm).replay { _ in }.end == .powerOff)
  }

  @Test(.enabled(if: kvmAvailable, "needs /dev/kvm")) func onKVM() throws {
    let path = try record(on: .kvm)
    let replayer = try TraceReplayer(path: path, engine: nil)
    let first = try replayer.replay { _ in }
    #expect(try replayer.replay { _ in } == first)
    #expect(try TraceReplayer(path: path, engine: .software).replay { _ in }.end == .powerOff)
  }

  @Test(.enabled(if: kvmAvailable && EngineKind.hybrid.isOffered, "needs a KVM that hands user-mode faults over"))
  func onBoth() throws {
    let path = try record(on: .hybrid)
    #expect(try TraceReplayer(path: path, engine: .software).replay { _ in }.end == .powerOff)
  }
}
