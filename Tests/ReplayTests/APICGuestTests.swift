import Machine
import Replay
import Support
import Testing
import Trace
import VMMCore

/// The guest that goes through the local APIC, the I/O APIC, CR8 and IA32_APIC_BASE, and checks each by itself.
@Suite struct APICGuestTests {
  private let folder = TemporaryFolder()

  private func replaysExactly(on engine: EngineKind, options: RecordOptions = RecordOptions()) throws {
    let path = folder.file("apic.trace")
    let outcome = try Recorder.record("apic", to: path, engine: engine, options: options)
    #expect(outcome.end == .powerOff)
    // On KVM, where a busy machine makes the guest late, a timer may go off once more before it is masked.
    #expect(outcome.deliveries == 9 || engine == .kvm && outcome.deliveries > 9)
    let replayed = try TraceReplayer(path: path, engine: engine).replay { _ in }
    #expect(replayed.end == .powerOff && replayed.events == outcome.events)
    #expect(replayed.state == outcome.state)
  }

  @Test func onTheSoftwareEngine() throws { try replaysExactly(on: .software) }

  @Test(arguments: 1...5) func withInterruptsHeldBack(seed: UInt64) throws {
    var options = RecordOptions()
    options.chaosSeed = seed
    try replaysExactly(on: .software, options: options)
  }

  @Test(.enabled(if: kvmAvailable, "needs /dev/kvm")) func onKVM() throws { try replaysExactly(on: .kvm) }

  @Test(.enabled(if: kvmAvailable, "needs /dev/kvm")) func fromKVMOnTheSoftwareEngine() throws {
    let path = folder.file("kvm.trace")
    let outcome = try Recorder.record("apic", to: path, engine: .kvm)
    let replayed = try TraceReplayer(path: path, engine: .software).replay { _ in }
    #expect(replayed.events == outcome.events)
  }
}
