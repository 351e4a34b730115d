import GuestMemory
import KVM
import Support
import Testing
import Trace
import VMMCore

@testable import Machine
@testable import Replay

/// The software engine steps and searches for KVM, as on hosts whose steps show in the guest and whose breakpoints
/// never fire: asked for here on any host. The vCPU goes back and forth between two engines that share no code, and
/// every digest and every place holds.
@Suite(.enabled(if: kvmAvailable, "no /dev/kvm"))
struct PartnerDutiesTests {
  static let guests: [(String, String)] = [
    ("race", "1"), ("ticker", "10"), ("rep", ""), ("strio", ""), ("apic", ""), ("nmiself", ""), ("faults", "20"),
    ("smc", ""), ("spinwait", ""),
  ]

  static let everything = PartnerDuties(steps: true, searches: true, stopsInUserMode: true)
  /// As on stock VMX and SVM.
  static let steps = PartnerDuties(steps: true, searches: false, stopsInUserMode: true)

  @Test(arguments: guests)
  func recordsAndReplays(guest: (String, String)) throws {
    let folder = TemporaryFolder()
    let trace = folder.file("duties.trace")
    var options = RecordOptions()
    options.chaosSeed = 7
    options.timeout = 5_000_000_000
    try Recorder.record(guest.0, to: trace, commandLine: guest.1, options: options) { machine in
      (machine.engine as? PartneredKVMEngine)?.duties = PartnerDutiesTests.everything
    }
    let here = try replay(trace, PartnerDutiesTests.everything)
    let plain = try TraceReplayer(path: trace, engine: .kvm).replay { _ in }.final
    let software = try TraceReplayer(path: trace, engine: .software).replay { _ in }.final
    let stepping = try replay(trace, PartnerDutiesTests.steps).final
    for other in [plain, software, stepping] {
      #expect(here.final.cpu == other.cpu)
      #expect(here.final.memory == other.memory)
      #expect(here.final.output == other.output)
    }
  }

  /// Replays on KVM with these duties of its partner.
  private func replay(
    _ path: String, _ duties: PartnerDuties
  ) throws -> ReplayOutcome {
    let reader = try TraceReader(path: path)
    let machine = try VirtualMachine(reader.initialMachine(), kind: .kvm, cpuModel: reader.header.cpuModel)
    let engine = try #require(machine.engine as? PartneredKVMEngine)
    engine.duties = duties
    let session = ReplaySession(
      engine: engine, memory: machine.memory, cursor: reader.makeCursor(), watchdog: HostClock(stopping: engine)
    ) { _ in }
    return try session.run()
  }
}
