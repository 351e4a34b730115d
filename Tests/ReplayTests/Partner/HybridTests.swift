import GuestMemory
import KVM
import Support
import Testing
import Trace
import VMMCore

@testable import Machine
@testable import Replay

/// `kvm+software`: kernel mode in software, user mode on the host's CPU. The two engines share no code, so a recording
/// that used both and replays on either says that the state came over whole each time.
@Suite(.enabled(if: kvmAvailable && EngineKind.hybrid.isOffered, "needs a KVM that hands user-mode faults over"))
struct HybridTests {
  /// Guests with user mode, and how they end.
  static let guests: [(String, String)] = [
    ("usercompute", "2000000"), ("userspin", "5"), ("tasks", ""), ("sse", ""), ("faults", "50"),
    ("freshpages", "5"),
  ]

  /// The smaller the slice, the more often the engines change places.
  @Test(arguments: guests, [UInt64(1), 40, 25_000])
  func recordsAndReplaysOnEitherEngine(guest: (String, String), slice: UInt64) throws {
    let folder = TemporaryFolder()
    let trace = folder.file("hybrid.trace")
    var hybrid: HybridEngine?
    let outcome = try Recorder.record(guest.0, to: trace, commandLine: guest.1, engine: .hybrid) { machine in
      hybrid = machine.engine as? HybridEngine
      hybrid?.slice = slice
    }
    #expect(outcome.end == .powerOff)
    // Instruction by instruction the handler of freshpages takes longer than a tick.
    let mostlyUserMode = ["usercompute", "userspin"] + (slice > 1 ? ["freshpages"] : [])
    if mostlyUserMode.contains(guest.0) { #expect(try #require(hybrid).stretches > 0) }
    let finals = try [EngineKind.hybrid, .software].map { engine in
      try TraceReplayer(path: trace, engine: engine).replay { _ in }.final
    }
    #expect(finals[0].cpu == finals[1].cpu)
    #expect(finals[0].memory == finals[1].memory)
    #expect(finals[0].output == finals[1].output)
  }

  /// User code that never exits is stopped by a plain kick, and the place is found again by execution.
  @Test func kicksInUserModeHavePlaces() throws {
    let folder = TemporaryFolder()
    let trace = folder.file("hybrid.trace")
    try Recorder.record("userspin", to: trace, commandLine: "5", engine: .hybrid)
    let places = try Recorder.events(of: trace).1.filter {
      if case .delivery(_, .fingerprint(let print)) = $0 { return print.registers != nil }
      return false
    }
    #expect(!places.isEmpty)
    #expect(try TraceReplayer(path: trace, engine: .hybrid).replay { _ in }.end == .powerOff)
  }

  /// What KVM alone does not execute is executed by the partner, one instruction at a time.
  @Test func instructionsThatKVMLacks() throws {
    let folder = TemporaryFolder()
    let trace = folder.file("hybrid.trace")
    var engine: PartneredKVMEngine?
    let outcome = try Recorder.record("notemulated", to: trace) { engine = $0.engine as? PartneredKVMEngine }
    #expect(outcome.end == .powerOff)
    #expect(try #require(engine).repairedInstructions > 5)
    for kind in [EngineKind.kvm, .software] {
      #expect(try TraceReplayer(path: trace, engine: kind).replay { _ in }.end == .powerOff)
    }
  }
}
