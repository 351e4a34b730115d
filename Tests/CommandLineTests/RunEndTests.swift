import Support
import Testing

/// How a run ends that does not end by itself: by a limit of time, or by a signal. It is closed in order, and its end
/// is where the guest stood.
@Suite struct RunEndTests {
  let folder = TemporaryFolder()

  static let engines = ["software", "auto"] + (kvmAvailable ? ["kvm"] : [])

  /// Guests that would go on for hours: without an exit, with interrupts off and on, asleep, in REP instructions.
  static let guests = [
    ("compute", "1000000000000"), ("usercompute", "1000000000000"), ("spin", "1000000000"), ("userspin", "1000000000"),
    ("ticker", "1000000000"), ("rep", "1000000000"), ("twospin", "1000000000"),
  ]

  private func isWhole(_ trace: String, _ end: String) {
    let info = CommandRunner.chronovisor("info", trace)
    #expect(info.output.contains("complete") && info.output.contains(end), "\(info.output)")
    let verification = CommandRunner.chronovisor("verify", trace)
    #expect(verification.status == 0 && !verification.output.contains("incomplete"), "\(verification.output)")
  }

  @Test(arguments: engines, guests) func theLimitEndsIt(engine: String, guest: (name: String, count: String)) {
    let trace = folder.file("limited.trace")
    let result = CommandRunner.chronovisor(
      "record", "--engine", engine, "--timeout", "0.3", "-o", trace, "--append", guest.count,
      TestGuests.path(guest.name))
    #expect(result.status == 124, "\(result.errors)")
    isWhole(trace, "time limit")
  }

  /// The signal comes twice, as from timeout(1).
  @Test(arguments: engines, ["compute", "ticker"]) func aSignalEndsIt(engine: String, guest: String) {
    let trace = folder.file("stopped.trace")
    let script = """
      "$1" record --engine "$2" -o "$3" --append 1000000000000 "$4" </dev/null & process=$!
      sleep 0.5
      kill $process; kill $process
      wait $process
      """
    let result = CommandRunner.run(
      "/bin/bash", ["-c", script, "bash", CommandRunner.chronovisor, engine, trace, TestGuests.path(guest)])
    #expect(result.status == 130, "\(result.errors)")
    #expect(result.errors.contains("stopped by the user"))
    isWhole(trace, "stopped by the user")
  }

  /// Two tasks that never exit, on whatever engine this host is given.
  @Test(arguments: engines) func theTasksOfAnyGuestArePreempted(engine: String) {
    let trace = folder.file("twospin.trace")
    let result = CommandRunner.chronovisor("record", "--engine", engine, "-o", trace, TestGuests.path("twospin"))
    #expect(result.status == 0 && result.output.hasSuffix("both ran\n"), "\(result.output)\(result.errors)")
    #expect(CommandRunner.chronovisor("verify", trace).status == 0)
  }
}
