import Foundation
import Support
import Testing

/// `info`, `dump`, `diff` and `ls` as a user meets them.
@Suite struct InspectionTests {
  let folder = TemporaryFolder()

  private func trace(_ name: String, _ sample: SampleTrace = SampleTrace()) throws -> String {
    try sample.write(to: folder.file(name))
    return folder.file(name)
  }

  private func objects(_ text: String) throws -> [[String: Any]] {
    try text.split(separator: "\n").map { line in
      try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
  }

  // MARK: info

  @Test func infoNamesEverything() throws {
    let result = CommandRunner.chronovisor("info", try trace("a.trace"))
    #expect(result.status == 0)
    #expect(result.errors.isEmpty)
    for text in [
      "complete", "a test, format 1", "2026-02-02T02:40:00Z on a host, CPUID digest 0x1234", "kvm, CPU model base",
      "host, seed 3", "1.0 MiB of memory", "console=ttyS0", "kernel.elf, 3 B", "1.234 s", "debug exit with 0x3",
    ] {
      #expect(result.output.contains(text), "\(text)")
    }
    #expect(result.output.contains("\n  out           5\n"))
    #expect(!result.output.contains("\u{1b}"), "what a trace holds must not steer the terminal")
  }

  @Test func infoAsJSON() throws {
    let result = CommandRunner.chronovisor("info", "--json", try trace("a.trace"))
    let object = try #require(try objects(result.output).first)
    #expect(object["state"] as? String == "complete")
    #expect(object["guest"] as? String == "an \u{1b}[1mELF64 image")
    #expect(object["events"] as? Int == 10 + SampleTrace.events.count)
    #expect((object["counts"] as? [String: Int])?["nmi"] == 1)
    #expect((object["end"] as? [String: Any])?["reason"] as? String == "debug-exit")
  }

  @Test func infoOfAnIncompleteTrace() throws {
    let result = CommandRunner.chronovisor("info", try trace("a.trace", SampleTrace(isClosed: false)))
    #expect(result.status == 0)
    #expect(result.output.contains("incomplete"))
    #expect(result.output.contains("cut off"))
    #expect(result.output.contains("events        10\n"))
  }

  @Test func damageIsNamed() throws {
    let path = try trace("a.trace")
    var bytes = bytesOfFile(path)
    bytes[bytes.count - 250] ^= 1
    writeFile(path, bytes)
    let info = CommandRunner.chronovisor("info", path)
    #expect(info.status == 65)
    #expect(info.output.contains("damaged at offset "))
    let dump = CommandRunner.chronovisor("dump", path)
    #expect(dump.status == 65)
    #expect(dump.errors.contains("damaged at offset "))
    #expect(dump.output.split(separator: "\n").count == 10, "what stands before the damage is shown")
  }

  @Test func latestIsTheDefault() throws {
    _ = try trace("a.trace")
    unsafe symlink("a.trace", folder.file("latest"))
    let environment = ["CHRONOVISOR_TRACE_DIR": folder.path]
    let latest = CommandRunner.chronovisor("info", environment: environment)
    #expect(latest.status == 0)
    #expect(latest.output.contains("debug exit"))
    let named = CommandRunner.chronovisor("info", "a", environment: environment)
    #expect(named.output.contains("/a.trace"))
    unsafe unlink(folder.file("latest"))
    let none = CommandRunner.chronovisor("info", environment: environment)
    #expect(none.status == 1)
    #expect(none.errors.contains("no trace given"))
  }

  // MARK: dump

  @Test func dumpShowsEveryEvent() throws {
    let result = CommandRunner.chronovisor("dump", try trace("a.trace"))
    #expect(result.status == 0)
    let expected = """
      0           in 1 port 0x3fd -> 0x60
      1           out 1 port 0x3f8 value 0x68 'h'
      2           in 1 port 0x3fd -> 0x60
      3           out 1 port 0x3f8 value 0x65 'e'
      4           in 1 port 0x3fd -> 0x60
      5           out 1 port 0x3f8 value 0x6c 'l'
      6           in 1 port 0x3fd -> 0x60
      7           out 1 port 0x3f8 value 0x6c 'l'
      8           in 1 port 0x3fd -> 0x60
      9           out 1 port 0x3f8 value 0x6f 'o'
      10+123      interrupt 0x30
      11+12.5     interrupt 0x31
      12          nmi at rip 0xffffffff81000000 cpu 0x5 memory 0x6
      13          device write 3 at 0x5000: 01 02 03
      14          mmio read 4 at 0xfee00020 -> 0x7
      15          mmio write 4 at 0xfee000b0 value 0x0
      16          rdmsr 0x10 -> #GP(0)
      17          wrmsr 0x10 value 0x5
      18          rdtsc -> 0x3e8
      19          rdrand -> 0x4
      20          hlt
      21          digest cpu 0x1 memory 0x2 output 0x3 instructions 44
      21          end: debug exit with 0x3

      """
    #expect(result.output == expected)
  }

  @Test func dumpOfARange() throws {
    let path = try trace("a.trace")
    let range = CommandRunner.chronovisor("dump", "--from", "10+124", "--to", "12", path)
    #expect(range.output.split(separator: "\n").map { $0.prefix(7) } == ["11+12.5", "12     "])
    let none = CommandRunner.chronovisor("dump", "--from", "1000", path)
    #expect(none.output.isEmpty)
    #expect(none.status == 0)
    let wrong = CommandRunner.chronovisor("dump", "--from", "here", path)
    #expect(wrong.status == 1)
    #expect(wrong.errors.contains("give a position"))
  }

  @Test func dumpAsJSON() throws {
    let result = CommandRunner.chronovisor("dump", "--json", try trace("a.trace"))
    let events = try objects(result.output)
    #expect(events.count == 10 + SampleTrace.events.count + 2)
    #expect(events[1]["value"] as? String == "0x68")
    #expect(events[10]["position"] as? String == "10+123")
    #expect(events[10]["vector"] as? Int == 0x30)
    #expect(events[13]["bytes"] as? String == "010203")
    #expect(events[16]["answer"] as? String == "#GP(0)")
  }

  @Test func dumpSaysThatATraceIsIncomplete() throws {
    let result = CommandRunner.chronovisor("dump", try trace("a.trace", SampleTrace(isClosed: false)))
    #expect(result.status == 0)
    #expect(result.errors.contains("incomplete"))
  }

  // MARK: diff

  @Test func equalTraces() throws {
    let result = CommandRunner.chronovisor("diff", try trace("a.trace"), try trace("b.trace"))
    #expect(result.status == 0)
    #expect(result.output.contains("equal: 21 events"))
  }

  @Test func firstDifferenceIsShown() throws {
    let other = try trace("b.trace", SampleTrace(text: "help!"))
    let result = CommandRunner.chronovisor("diff", "--context", "2", try trace("a.trace"), other)
    #expect(result.status == 1)
    let expected = """
      first difference: event 7
          5           out 1 port 0x3f8 value 0x6c 'l'
          6           in 1 port 0x3fd -> 0x60
        a 7           out 1 port 0x3f8 value 0x6c 'l'
        a 8           in 1 port 0x3fd -> 0x60
        a 9           out 1 port 0x3f8 value 0x6f 'o'
        b 7           out 1 port 0x3f8 value 0x70 'p'
        b 8           in 1 port 0x3fd -> 0x60
        b 9           out 1 port 0x3f8 value 0x21 '!'

      """
    #expect(result.output.hasSuffix(expected))
  }

  @Test func otherGuestsAndStates() throws {
    let a = try trace("a.trace")
    let guest = CommandRunner.chronovisor("diff", a, try trace("b.trace", SampleTrace(commandLine: "quiet")))
    #expect(guest.status == 1)
    #expect(guest.output.contains("guest command line: a console=ttyS0, b quiet"))
    let state = CommandRunner.chronovisor("diff", a, try trace("c.trace", SampleTrace(memory: 9)))
    #expect(state.status == 1)
    #expect(state.output.contains("the state right before event 21 differs"))
    let shorter = CommandRunner.chronovisor("diff", a, try trace("d.trace", SampleTrace(isClosed: false)))
    #expect(shorter.status == 1)
    #expect(shorter.output.contains("b ends here: it is incomplete"))
  }

  // MARK: ls

  @Test func lsListsTracesOnly() throws {
    _ = try trace("b.trace")
    _ = try trace("a.trace", SampleTrace(isClosed: false))
    writeFile(folder.file("notes.txt"), [0x61])
    writeFile(folder.file("c.trace"), Array(bytesOfFile(folder.file("b.trace")).prefix(100)))
    unsafe symlink("b.trace", folder.file("latest"))
    let result = CommandRunner.chronovisor("ls", environment: ["CHRONOVISOR_TRACE_DIR": folder.path])
    #expect(result.status == 0)
    let lines = result.output.split(separator: "\n")
    #expect(lines.map { $0.prefix(8) } == ["name    ", "a.trace ", "b.trace ", "c.trace "])
    #expect(lines[1].hasSuffix("incomplete"))
    #expect(lines[2].contains("(latest)"))
    #expect(lines[2].hasSuffix("debug exit with 0x3"))
    let json = try objects(CommandRunner.chronovisor("ls", "--json", folder.path).output)
    #expect(json.map { $0["state"] as? String } == ["incomplete", "complete", "incomplete"])
    #expect(json[1]["events"] as? Int == 21)
  }

  @Test func lsOfWhatIsNotThere() {
    let missing = CommandRunner.chronovisor("ls", folder.file("missing"))
    #expect(missing.status == 1)
    #expect(missing.errors.contains("No such file"))
    let fresh = CommandRunner.chronovisor("ls", environment: ["CHRONOVISOR_TRACE_DIR": folder.file("missing")])
    #expect(fresh.status == 0)
    #expect(fresh.output.isEmpty)
  }

  // MARK: all

  @Test(arguments: ["info", "dump"], ["/nonexistent/trace", "/", "/dev/zero"])
  func noFile(verb: String, path: String) {
    let result = CommandRunner.chronovisor(verb, path)
    #expect(result.status == 1)
    #expect(result.errors.split(separator: "\n").count == 1)
    #expect(result.errors.contains(path))
  }

  @Test(arguments: ["info", "dump", "diff"])
  func noTrace(verb: String) {
    let readme = SourceTree.root + "/README.md"
    let result = CommandRunner.run(
      CommandRunner.chronovisor, verb == "diff" ? [verb, readme, readme] : [verb, readme])
    #expect(result.status == 65)
    #expect(result.errors.contains("not a chronovisor trace"))
  }
}
