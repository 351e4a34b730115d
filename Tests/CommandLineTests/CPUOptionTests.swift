import Support
import Testing

@Suite struct CPUOptionTests {
  private let folder = TemporaryFolder()

  private func record(_ trace: String, _ options: String...) -> CommandRunner.Result {
    CommandRunner.run(
      CommandRunner.chronovisor,
      ["record", "--engine", "software", "-o", folder.file(trace)] + options + [TestGuests.path("random")])
  }

  @Test func helpListsModelsAndFeatures() {
    for verb in ["run", "record"] {
      let result = CommandRunner.chronovisor(verb, "--cpu", "help")
      #expect(result.status == 0, "\(result.errors)")
      for word in ["default", "x86-64", "x86-64-v2", "max", "rdrand", "kvm", "software"] {
        #expect(result.output.contains("  \(word)"), "\(word) is missing")
      }
    }
  }

  @Test func whatCannotBeHadIsRefusedInALine() {
    for (text, reason) in [
      ("486", "no CPU model 486"), ("max,+avx2", "no CPU feature avx2"), ("max,-lm", "every 64-bit CPU has it"),
      ("max,+fxsr_opt", "the software engine does not have it here"),
    ] {
      let result = record("none", "--cpu", text)
      #expect(result.status == 1)
      #expect(result.errors.hasPrefix("chronovisor record: --cpu \(text): ") && result.errors.contains(reason))
      #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
    }
    #expect(bytesOfFile(folder.file("none")).isEmpty)
  }

  @Test func undefinedBehaviourIsAPartOfTheModel() throws {
    let text = "default,undefined=amd-19h"
    #expect(record("other", "--cpu", text).status == record("own").status)
    let info = CommandRunner.chronovisor("info", folder.file("other")).output
    #expect(info.contains("CPU model \(text)\n") && info.contains("amd-19h\n"), "\(info)")
    #expect(CommandRunner.chronovisor("info", folder.file("own")).output.contains("amd-1ah\n"))
    #expect(CommandRunner.chronovisor("verify", folder.file("other")).status == 0)
    let refused = record("none", "--cpu", "default,undefined=pdp-11")
    #expect(refused.status == 1 && refused.errors.contains("no profile pdp-11 of undefined behaviour"))
  }

  @Test func randomNumbersAreHiddenUnlessAskedFor() {
    let result = record("hidden")
    #expect(result.status == 3 && result.output == "no random numbers\n", "\(result.output)\(result.errors)")
  }

  @Test func randomNumbersComeFromTheSeedAndTheLog() {
    let cpu = "default,+rdrand,+rdseed"
    let first = record("first", "--cpu", cpu, "--seed", "7")
    #expect(first.status == 0, "\(first.errors)")
    #expect(record("again", "--cpu", cpu, "--seed", "7").output == first.output)
    #expect(record("other", "--cpu", cpu, "--seed", "8").output != first.output)
    #expect(bytesOfFile(folder.file("first")) == bytesOfFile(folder.file("again")))
    let dump = CommandRunner.chronovisor("dump", folder.file("first"))
    #expect(dump.output.split(separator: "\n").filter { $0.contains(" rdrand ") }.count == 4, "\(dump.output)")
    let info = CommandRunner.chronovisor("info", folder.file("first"))
    #expect(info.output.contains("CPU model \(cpu)\n"), "\(info.output)")
    let replay = CommandRunner.chronovisor("replay", "-a", folder.file("first"))
    #expect(replay.status == 0 && replay.output == first.output, "\(replay.errors)")
  }
}
