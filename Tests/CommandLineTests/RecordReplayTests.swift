import Support
import Testing
import VMMCore

/// Guests are recorded and replayed by the program itself, as a user would.
@Suite(.enabled(if: kvmAvailable, "needs /dev/kvm")) struct RecordReplayTests {
  let folder = TemporaryFolder()

  /// Records a guest, checks its status, and verifies the trace.
  private func roundTrip(_ guest: String, _ arguments: [String] = [], input: String = "", statuses: [Int32]) {
    let trace = folder.file(guest + ".trace")
    let recording = CommandRunner.run(
      CommandRunner.chronovisor, ["record", "-o", trace] + arguments + [TestGuests.path(guest)], input: input)
    #expect(statuses.contains(recording.status), "\(recording.output)\(recording.errors)")
    let replay = CommandRunner.run(CommandRunner.chronovisor, ["replay", "-a", trace])
    #expect(replay.status == 0, "\(replay.errors)")
    #expect(replay.bytes == recording.bytes, "the replayed console differs")
    let verification = CommandRunner.run(CommandRunner.chronovisor, ["verify", "--repeat", "3", trace])
    #expect(verification.status == 0, "\(verification.output)\(verification.errors)")
  }

  @Test func hello() { roundTrip("hello", statuses: [0]) }
  @Test func ticker() { roundTrip("ticker", statuses: [0]) }
  @Test func portio() { roundTrip("portio", statuses: [0]) }
  @Test func compute() { roundTrip("compute", statuses: [0]) }
  @Test func race() { roundTrip("race", ["--chaos"], statuses: [0, 3]) }

  @Test func fingerprintsBecomeCounts() {
    let trace = folder.file("spin.trace")
    let resolved = folder.file("resolved.trace")
    let recording = CommandRunner.run(
      CommandRunner.chronovisor, ["record", "-o", trace, "--append", "5", TestGuests.path("spin")])
    #expect(recording.status == 0, "\(recording.errors)")
    let result = CommandRunner.run(CommandRunner.chronovisor, ["resolve", "-o", resolved, trace])
    #expect(result.status == 0, "\(result.errors)")
    let dump = CommandRunner.run(CommandRunner.chronovisor, ["dump", resolved])
    #expect(dump.output.contains("interrupt") && !dump.output.contains("at rip"), "\(dump.output)")
    for engine in ["kvm", "software"] {
      let verification = CommandRunner.run(CommandRunner.chronovisor, ["verify", "--engine", engine, resolved])
      #expect(verification.status == 0, "\(verification.output)\(verification.errors)")
    }
  }
}
