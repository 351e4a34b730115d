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
}
