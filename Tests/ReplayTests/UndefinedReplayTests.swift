import KVM
import Machine
import Replay
import Support
import Testing
import Trace
import VMMCore

/// A trace says what its CPU does where the manuals leave it open, and the software engine does the same in a replay.
@Suite struct UndefinedReplayTests {
  private let folder = TemporaryFolder()

  private func replay(_ path: String) throws -> ReplayOutcome {
    try TraceReplayer(path: path, engine: .software).replay { _ in }
  }

  @Test(arguments: UndefinedProfile.named.map(\.name)) func softwareHasTheProfileOfTheModel(name: String) throws {
    let path = folder.file("\(name).trace")
    let profile = try #require(UndefinedProfile.named.first { $0.name == name }).profile
    try Recorder.record("undefined", to: path, engine: .software, undefined: profile)
    #expect(try TraceReader(path: path).header.cpuModel.undefined == profile)
    #expect(throws: Never.self) { try replay(path) }
  }

  @Test func underAnotherProfileTheReplayDiverges() throws {
    let original = folder.file("original.trace")
    try Recorder.record("undefined", to: original, engine: .software)
    let (reader, events) = try Recorder.events(of: original)
    for (name, profile) in UndefinedProfile.named where profile != .reference {
      var header = reader.header
      header.cpuModel.undefined = profile
      let changed = folder.file("\(name).trace")
      let writer = try TraceWriter(path: changed, header: header, machine: try reader.initialMachine())
      for event in events { try writer.append(event) }
      try writer.close(elapsed: 0)
      #expect(throws: Divergence.self, "\(name)") { try replay(changed) }
    }
  }

  @Test(.enabled(if: kvmAvailable, "needs /dev/kvm")) func theHostsRecordingReplaysInSoftware() throws {
    let path = folder.file("kvm.trace")
    try Recorder.record("undefined", to: path, engine: .kvm)
    #expect(try TraceReader(path: path).header.cpuModel.undefined == .host)
    guard !UndefinedProfile.hostFlagsAreImitated else {
      #expect(throws: Never.self) { try replay(path) }
      return
    }
    // A CPU whose flags follow no rule that is known: the replay may still come out, or says what may be wrong.
    do {
      _ = try replay(path)
    } catch let divergence as Divergence {
      #expect(!divergence.doubts.isEmpty, "\(divergence.report)")
    }
  }

  @Test func aDivergenceNamesWhatIsNotImitated() {
    var divergence = Divergence(kind: .overrun(instructions: 1), position: .begin, lastGood: .begin, state: nil)
    divergence.doubts = [UndefinedDoubt(about: .result(.approximations), behind: 0x1234)]
    let line =
      "  undefined behaviour that is not imitated: the result of RCPPS, RCPSS, RSQRTPS or RSQRTSS, "
      + "last executed before rip 0x1234"
    #expect(divergence.report.contains(line))
  }
}
