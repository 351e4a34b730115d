import Support
import Testing
import VMMCore

/// What users get wrong: one clear line on stderr, the right status, and nothing left behind that looks whole.
@Suite struct BadInputTests {
  let folder = TemporaryFolder()

  /// Runs `record` to a trace in the folder and expects it to fail with one line that holds `text`.
  private func expectRefusal(
    _ arguments: [String], _ text: String, status: Int32 = 1, leavesFile: Bool = false,
    environment: [String: String] = [:], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let trace = folder.file("out.trace")
    let result = CommandRunner.run(
      CommandRunner.chronovisor, ["record", "-o", trace] + arguments, environment: environment)
    #expect(result.status == status, "\(result.errors)", sourceLocation: sourceLocation)
    #expect(result.errors.contains(text), "\(result.errors)", sourceLocation: sourceLocation)
    #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)", sourceLocation: sourceLocation)
    #expect(bytesOfFile(trace).isEmpty != leavesFile, sourceLocation: sourceLocation)
  }

  @Test func noSuchGuest() { expectRefusal(["/nonexistent/guest"], "No such file") }

  @Test func directory() { expectRefusal([folder.path], "not a regular file") }

  @Test func emptyFile() { expectRefusal([folder.write([], to: "empty")], "is empty") }

  @Test func notAGuest() { expectRefusal([SourceTree.root + "/README.md"], "not a guest") }

  @Test func memoryTooSmall() {
    expectRefusal(["--memory", "1M", TestGuests.path("hello")], "MiB")
  }

  @Test func memoryNonsense() {
    expectRefusal(["--memory", "lots", TestGuests.path("hello")], "give a size")
  }

  @Test func unknownOption() { expectRefusal(["--colour", TestGuests.path("hello")], "unknown option --colour") }

  @Test func noGuest() { expectRefusal([], "no guest given") }

  @Test func unwritableOutput() {
    let result = CommandRunner.run(
      CommandRunner.chronovisor, ["record", "-o", "/nonexistent/folder/trace", TestGuests.path("hello")])
    #expect(result.status == 1)
    #expect(result.errors.contains("/nonexistent/folder/trace"), "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
  }

  @Test(.enabled(if: kvmAvailable, "needs /dev/kvm")) func fullDisk() {
    let result = CommandRunner.run(
      CommandRunner.chronovisor, ["record", "-o", "/dev/full", TestGuests.path("hello")])
    #expect(result.status == 1)
    #expect(result.errors.contains("No space left"), "\(result.errors)")
  }

  @Test func hiddenKVM() {
    expectRefusal(
      ["--engine", "kvm", TestGuests.path("hello")], "/dev/kvm", environment: ["CHRONOVISOR_NO_KVM": "1"])
  }

  @Test func noSuchTrace() {
    for verb in ["replay", "verify", "info", "dump"] {
      let arguments = verb == "replay" ? ["replay", "-a", "/nonexistent.trace"] : [verb, "/nonexistent.trace"]
      let result = CommandRunner.run(CommandRunner.chronovisor, arguments)
      #expect(result.status == 1, "\(verb): \(result.output)\(result.errors)")
      #expect((result.output + result.errors).contains("/nonexistent.trace"))
    }
  }

  @Test func notATrace() {
    for verb in ["replay", "verify", "info", "dump"] {
      let file = SourceTree.root + "/README.md"
      let arguments = verb == "replay" ? ["replay", "-a", file] : [verb, file]
      let result = CommandRunner.run(CommandRunner.chronovisor, arguments)
      #expect(result.status == 65, "\(verb): \(result.output)\(result.errors)")
      #expect((result.output + result.errors).contains("not a chronovisor trace"))
    }
  }
}
