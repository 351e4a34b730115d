import Support
import Testing

/// An earlier recording stays until a new one can take its place, and what says nothing of a run is not called exact.
@Suite struct KeptRecordingTests {
  let folder = TemporaryFolder()
  var trace: String { folder.file("a.trace") }

  private func record(_ arguments: String..., input: String = "") -> CommandRunner.Result {
    CommandRunner.run(
      CommandRunner.chronovisor, ["record", "--engine", "software", "-o", trace] + arguments, input: input)
  }

  @Test(arguments: [
    ["--input", "/no/such/file"], ["--initrd", "/no/such/file"], ["--memory", "1M"], ["--cpu", "none"],
    ["--clock", "sundial"], ["--append", String(repeating: "x", count: 70_000)],
  ]) func whatIsRefusedTouchesNothing(options: [String]) {
    #expect(record(TestGuests.path("hello")).status == 0)
    let earlier = bytesOfFile(trace)
    let refused = CommandRunner.run(
      CommandRunner.chronovisor,
      ["record", "--engine", "software", "-o", trace] + options + [TestGuests.path("hello")])
    #expect(refused.status == 1)
    #expect(refused.errors.split(separator: "\n").count == 1, "\(refused.errors)")
    #expect(bytesOfFile(trace) == earlier)
    #expect(bytesOfFile(trace + ".partial").isEmpty)
  }

  /// A guest that does nothing that is recorded, and a recorder that is killed.
  @Test func aKilledRecorderWithoutEventsReplacesNothing() {
    #expect(record(TestGuests.path("hello")).status == 0)
    let earlier = bytesOfFile(trace)
    let killed = CommandRunner.run(
      "/bin/bash",
      [
        "-c",
        """
        "$1" record --engine software --clock host -o "$2" "$3" </dev/null & process=$!
        while [ ! -s "$2.partial" ]; do sleep 0.05; done
        sleep 0.5
        kill -KILL $process
        wait $process
        """, "bash", CommandRunner.chronovisor, trace, folder.write(silentGuest, to: "silent.elf"),
      ])
    #expect(!killed.timedOut)
    #expect(bytesOfFile(trace) == earlier)
    let verification = CommandRunner.chronovisor("verify", trace + ".partial")
    // It spins, and how far it has come is all that there is.
    #expect(verification.status == 0, "\(verification.output)")
    #expect(verification.output.contains("0 events") && verification.output.contains("known up to position 0+"))
    // The next recorder takes over what was left.
    #expect(record(TestGuests.path("hello")).status == 0)
    #expect(bytesOfFile(trace + ".partial").isEmpty)
  }

  /// An ELF64 image of `jmp .`, for a guest that never interacts.
  private var silentGuest: [UInt8] {
    var bytes = bytesOfFile(TestGuests.path("hello"))
    let entry = Int(number(bytes, 24, 8))
    let headers = Int(number(bytes, 32, 8))
    for index in 0..<Int(number(bytes, 56, 2)) {
      let header = headers + 56 * index
      let (offset, address) = (Int(number(bytes, header + 8, 8)), Int(number(bytes, header + 24, 8)))
      let size = Int(number(bytes, header + 32, 8))
      guard number(bytes, header, 4) == 1, (address..<(address + size)).contains(entry) else { continue }
      bytes[offset + entry - address] = 0xeb
      bytes[offset + entry - address + 1] = 0xfe
    }
    return bytes
  }

  private func number(_ bytes: [UInt8], _ offset: Int, _ size: Int) -> UInt64 {
    (0..<size).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
  }

  @Test func twoRecordersOfOneName() {
    let result = CommandRunner.run(
      "/bin/bash",
      [
        "-c",
        """
        "$1" record --engine software --clock host -o "$2" "$3" </dev/null 2>/dev/null & process=$!
        while [ ! -s "$2.partial" ]; do sleep 0.05; done
        "$1" record --engine software -o "$2" "$4" </dev/null
        echo "status $?"
        kill -KILL $process
        wait $process
        """, "bash", CommandRunner.chronovisor, trace, folder.write(silentGuest, to: "silent.elf"),
        TestGuests.path("hello"),
      ])
    #expect(result.output == "status 1\n")
    #expect(result.errors.split(separator: "\n").contains { $0.contains("another recorder is writing it") })
  }

  @Test func whatIsNoFile() {
    let fifo = CommandRunner.run("/usr/bin/mkfifo", [folder.file("fifo")])
    #expect(fifo.status == 0)
    for (output, reason) in [
      (folder.file("fifo"), "FIFO"), (folder.path, "Is a directory"), ("/dev/full", "No space left"), ("", "No such"),
    ] {
      let result = CommandRunner.chronovisor(
        "record", "--engine", "software", "-o", output, TestGuests.path("hello"))
      #expect(result.status == 1)
      #expect(result.errors.contains(reason), "\(result.errors)")
      #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
    }
  }

  /// `latest` is there at every moment, and names the newest recording.
  @Test func latest() {
    let environment = ["CHRONOVISOR_TRACE_DIR": folder.path]
    for number in 1...2 {
      let result = CommandRunner.chronovisor(
        "record", "--engine", "software", TestGuests.path("hello"), environment: environment)
      #expect(result.status == 0)
      let list = CommandRunner.chronovisor("ls", environment: environment).output
      #expect(list.contains("hello.elf-\(number).trace (latest)"), "\(list)")
    }
    let names = CommandRunner.run("/bin/ls", ["-A", folder.path]).output
    #expect(names == "hello.elf-1.trace\nhello.elf-2.trace\nlatest\n")
  }

  @Test func aTraceIsNotResolvedOntoItself() {
    #expect(record(TestGuests.path("hello")).status == 0)
    _ = CommandRunner.run("/bin/ln", [trace, folder.file("b.trace")])
    let result = CommandRunner.chronovisor("resolve", "-o", folder.file("b.trace"), trace)
    #expect(result.status == 1)
    #expect(result.errors.contains("is the trace itself"), "\(result.errors)")
  }
}
