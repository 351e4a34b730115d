import Support
import Testing

/// A verb whose output cannot be written says so, in one line and with status 1; one whose reader has read enough does
/// not.
@Suite struct OutputTests {
  let folder = TemporaryFolder()

  /// Runs a line of shell; `$1` is the program, `$2` the sample trace, `$3` a guest, `$4` the folder.
  private func shell(_ line: String) throws -> CommandRunner.Result {
    let trace = folder.file("sample.trace")
    if bytesOfFile(trace).isEmpty { try SampleTrace().write(to: trace) }
    return CommandRunner.run(
      "/bin/bash",
      ["-c", line, "bash", CommandRunner.chronovisor, trace, TestGuests.path("hello"), folder.path])
  }

  static let replayable = SourceTree.root + "/Traces/hello/hello.trace"

  @Test(arguments: [
    "info $2", "info --json $2", "dump $2", "dump --json $2", "diff $2 $2", "ls $4", "ls --json $4",
    "verify --engine software \(replayable)", "replay -a --engine software \(replayable)", "doctor", "help",
    "help record", "record --help", "version", "--version", "--help", "record --cpu help",
    "run --engine software $3", "record --engine software -o $4/new.trace $3",
  ]) func fullDisk(arguments: String) throws {
    let result = try shell("exec \"$1\" \(arguments) </dev/null >/dev/full")
    #expect(result.status == 1)
    let complaints = result.errors.split(separator: "\n").filter {
      $0.hasSuffix(": cannot write to standard output: No space left on device")
    }
    #expect(complaints.count == 1, "\(result.errors)")
  }

  /// The recording is worth more than what its guest printed.
  @Test(arguments: [">/dev/full", ">&-"]) func theRecordingGoesOn(redirection: String) throws {
    let trace = folder.file("kept.trace")
    let result = try shell("exec \"$1\" record --engine software -o $4/kept.trace $3 </dev/null \(redirection)")
    #expect(result.status == 1)
    let verification = CommandRunner.chronovisor("verify", trace)
    #expect(verification.status == 0, "\(verification.output)")
    #expect(verification.output.contains("end: powered off"))
  }

  /// The file that is opened first must not be taken for a standard descriptor that was closed.
  @Test func closedDescriptors() throws {
    let result = try shell(
      "\"$1\" record --engine software -o $4/closed.trace $3 <&- >&- 2>&-; echo $?; \"$1\" verify $4/closed.trace")
    #expect(result.output.hasPrefix("1\nexact: "), "\(result.output)")
  }

  @Test(arguments: ["dump $2", "info $2", "diff $2 $2", "help", "verify --engine software \(replayable)"])
  func aReaderThatHasEnough(arguments: String) throws {
    // The reader is gone before the first line.
    let result = try shell("exec 3> >(exec <&-); sleep 0.3; \"$1\" \(arguments) >&3")
    #expect(result.status == 0, "\(result.errors)")
    #expect(!result.errors.contains("standard output"), "\(result.errors)")
  }

  @Test(arguments: ["/dev/full", "/nonexistent/report", "$4"]) func reportThatCannotBeWritten(file: String) throws {
    let result = try shell("\"$1\" verify --engine software --junit \(file) \(OutputTests.replayable)")
    #expect(result.status == 1)
    #expect(result.errors.contains("cannot write the report"), "\(result.errors)")
  }

  /// `verify --junit A B` with the report's name forgotten.
  @Test func aTraceIsNoReport() throws {
    let result = try shell("\"$1\" verify --engine software --junit $2 \(OutputTests.replayable)")
    #expect(result.status == 1)
    #expect(result.errors.contains("it is a trace"), "\(result.errors)")
    #expect(bytesOfFile(folder.file("sample.trace")).starts(with: [0x89, 0x43]))
  }
}
