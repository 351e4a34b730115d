import Support
import Testing

/// Host code shows in nothing but the time that a run takes.
@Suite struct TranslationTests {
  private let folder = TemporaryFolder()

  private func record(_ how: String, _ arguments: [String]) -> String {
    let trace = folder.file("\(how).trace")
    let result = CommandRunner.run(
      CommandRunner.chronovisor, ["record", "--engine", "software", "--translate", how, "-o", trace] + arguments)
    #expect(!result.timedOut && bytesOfFile(trace).count > 0, "\(result.errors)")
    return trace
  }

  /// Event for event the same, counts and digests included, and each is exact in the other way.
  private func compare(_ arguments: [String]) {
    let (interpreted, translated) = (record("off", arguments), record("on", arguments))
    let difference = CommandRunner.chronovisor("diff", interpreted, translated)
    #expect(difference.status == 0, "\(difference.output)\(difference.errors)")
    for (how, trace) in [("on", interpreted), ("off", translated)] {
      let result = CommandRunner.chronovisor("verify", "--engine", "software", "--translate", how, trace)
      #expect(result.status == 0, "\(result.output)")
    }
  }

  /// Guests, and how much they are to do.
  private static let guests = [
    ("hello", ""), ("compute", "20000"), ("usercompute", "100000"), ("faults", "50"), ("smc", ""), ("sse", ""),
    ("rep", ""), ("tasks", ""), ("spin", "3"), ("mmio", ""), ("strio", ""), ("race", "3"), ("apic", ""),
  ]

  @Test(arguments: guests) func recordingsAreTheSame(guest: (String, String)) {
    compare(["--chaos", "--seed", "7", "--append", guest.1, TestGuests.path(guest.0)])
  }

  @Test(.enabled(if: LinuxGuests.areAvailable, "\(LinuxGuests.reason)"))
  func recordingsOfLinuxAreTheSame() {
    compare([
      "--initrd", LinuxGuests.shell, "--append", LinuxGuests.commandLine, "--input", LinuxGuests.sessionInput,
      "--prompt", "# ", LinuxGuests.compressedKernel,
    ])
  }

  @Test func statisticsSayWhatWasTranslated() throws {
    func statistics(_ how: String) -> String {
      CommandRunner.chronovisor(
        "run", "--engine", "software", "--translate", how, "--stats", "--append", "20000", TestGuests.path("compute")
      ).errors
    }
    let form = /[0-9]+ instructions, [0-9]+ ms; ([0-9]+) blocks of [0-9]+ instructions were translated .* \([0-9]+ %\)/
    let translated = try #require(statistics("on").firstMatch(of: form))
    #expect((1...1000).contains(try #require(Int(translated.1))))
    #expect(statistics("off").contains("; nothing was translated"))
  }

  @Test func anotherWordIsRefused() {
    let result = CommandRunner.chronovisor("run", "--translate", "maybe", TestGuests.path("hello"))
    #expect(result.status == 1 && result.errors.contains("--translate maybe: give on, off or auto"))
  }
}
