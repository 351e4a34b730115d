import Support
import Testing

/// A recorder that is killed leaves a trace that verifies up to its last chunk, and says that it is incomplete.
@Suite(.enabled(if: kvmAvailable, "needs /dev/kvm")) struct KilledRecordingTests {
  let folder = TemporaryFolder()

  @Test func verifiesUpToTheLastChunk() {
    var random = SeededRandom(seed: LongTests.seed)
    var replayed = 0
    var round = 0
    // More where the machine is so busy that none came to its first chunk.
    while round < (LongTests.areOn ? 50 : 8) || replayed == 0 && round < 100 {
      round += 1
      let trace = folder.file("killed.trace")
      // Long enough that no moment comes after its end.
      let seconds = 0.02 + Double(random.below(1000)) / 1000
      let recording = CommandRunner.run(
        CommandRunner.chronovisor, ["record", "-o", trace, "--append", "100000000", TestGuests.path("portio")],
        seconds: seconds)
      #expect(recording.timedOut, "round \(round) of seed \(LongTests.seed): \(recording.errors)")
      let bytes = bytesOfFile(trace)
      let verification = CommandRunner.run(CommandRunner.chronovisor, ["verify", trace])
      if verification.status == 0 {
        replayed += 1
        #expect(verification.errors.contains("is incomplete"), "\(verification.errors)")
      } else {
        // Killed before the guest was in the file.
        #expect(bytes.count < 8192, "round \(round) after \(seconds) s: \(verification.output)\(verification.errors)")
      }
    }
    #expect(replayed > 0)
  }
}
