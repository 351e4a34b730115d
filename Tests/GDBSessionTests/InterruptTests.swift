import Foundation
import Support
import Testing

/// Ctrl-C, leaving, coming back and signals, in the middle of what takes long.
@Suite(
  .enabled(if: Debugger.isAvailable, "gdb is not installed"),
  .enabled(if: LinuxGuests.areAvailable, "\(LinuxGuests.reason)"), .serialized)
struct InterruptTests {
  private let trace = LinuxGuests.session.path

  /// The same key, from the same gdb, at random moments of runs in both directions, and until it has come while the
  /// machine ran; then the state at the end is that of a replay that nobody disturbed.
  @Test func controlCAtAnyMoment() {
    let script =
      StepScript.state + """
        import os, random, signal, threading

        interrupted = 0

        def stopped(event):
            global interrupted
            interrupted += isinstance(event, gdb.SignalEvent) and event.stop_signal == "SIGINT"

        def disturbed(command):
            quiet("seek %d%%" % random.randrange(10, 30))
            key = threading.Timer(random.random() * 0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
            key.start()
            try:
                quiet(command)
            except (gdb.error, KeyboardInterrupt):
                pass
            try:
                key.join()
            except KeyboardInterrupt:
                pass
            try:
                state()
            except KeyboardInterrupt:
                state()

        random.seed(\(LongTests.seed))
        gdb.events.stop.connect(stopped)
        quiet("seek end")
        end = state()
        commands = ["continue", "reverse-continue", "stepi 1000000", "reverse-stepi 1000000"]
        for number in range(\(LongTests.areOn ? 200 : 8)):
            disturbed(commands[number % 4])
        for number in range(20):
            if not interrupted:
                disturbed("continue")
        quiet("seek end")
        print("interrupted:", interrupted > 0, "the same end:", state() == end)

        """
    let output = Debugger.run(trace, script: script)
    expect(["interrupted: True the same end: True"], in: output)
  }

  /// A Ctrl-C in the middle of gdb's own unwinding leaves gdb with a frame that it can do nothing with. An unwinder
  /// stands in for the key, so that it comes at that moment and at no other.
  @Test func controlCWhileGDBUnwinds() {
    let script =
      StepScript.state + """
        from gdb.unwinder import Unwinder, register_unwinder

        class Interrupted(Unwinder):
            def __call__(self, pending):
                if self.armed:
                    self.armed = False
                    raise KeyboardInterrupt

        unwinder = Interrupted("interrupted")
        unwinder.armed = False
        register_unwinder(None, unwinder, True)

        def attempt(command):
            try:
                return quiet(command)
            except (gdb.error, KeyboardInterrupt) as error:
                return str(error)

        def interrupted():
            gdb.invalidate_cached_frames()
            unwinder.armed = True
            return attempt("backtrace 2") == "Quit" and "inline frame id" in attempt("stepi")

        def place():
            return attempt("monitor when").split(" of ")[0]

        quiet("tbreak calibrate_APIC_clock")
        quiet("continue")
        print("inlined:", gdb.newest_frame().type() == gdb.INLINE_FRAME)
        quiet("checkpoint")
        start = place()
        for command in ["seek instruction 1000", "back", "restart 1", "start"]:
            quiet("restart 1")
            if command == "restart 1":
                quiet("stepi")
            before = place()
            print(command, "broken:", interrupted(), attempt(command), "moved:", place() != before)
        quiet("restart 1")
        print("at the start:", interrupted(), place() == start)
        # What comes before a prompt.
        chronovisor_forget_a_broken_frame()
        print("mended:", "calibrate_APIC_clock" in attempt("backtrace 9"), attempt("stepi"))

        """
    let output = Debugger.run(trace, script: script)
    expect(
      ["inlined: True"] + Array(repeating: "broken: True", count: 4).flatMap { [$0, "moved: True"] }
        + ["at the start: True True", "mended: True"], in: output)
  }

  @Test func leavingAndComingBack() throws {
    let folder = TemporaryFolder()
    let served = try ServedReplay(trace, ["--socket", folder.file("socket")])
    let output = Debugger.attach([
      "target remote \(served.name)", "monitor seek instruction 1000000", "stepi", "disconnect",
      "target remote \(served.name)", "monitor when", "detach", "target remote \(served.name)", "monitor when", "kill",
      "target remote \(served.name)", "monitor when", "reverse-stepi", "monitor when",
    ])
    let place = "instruction 1000000"
    expect([place, "detached]", place, "killed]", place, "instruction 999999"], in: output)
    let end = served.stop()
    #expect(end.status == 128 + SIGTERM)
    #expect(end.messages.contains("the debugger ended the replay"), "\(end.messages)")
    #expect(!FileManager.default.fileExists(atPath: folder.file("socket")))
  }

  @Test func aClientThatDiesInTheMiddleOfARun() throws {
    let folder = TemporaryFolder()
    let served = try ServedReplay(trace, ["--socket", folder.file("socket")])
    defer { served.stop() }
    for packet in ["c", "bc"] {
      let client = try #require(ProtocolClient(path: served.name))
      client.say(packet)
      client.hangUp()
      var next: ProtocolClient?
      while next == nil {
        guard let other = ProtocolClient(path: served.name) else { break }
        if other.ask("?").hasPrefix("T") { next = other }
      }
      #expect(next?.ask("s").hasPrefix("T") == true)
    }
  }

  @Test func aSecondDebuggerIsRefused() throws {
    let served = try ServedReplay(trace, ["--serve", "0"], options: [])
    #expect(served.name.hasPrefix("127.0.0.1:"))
    let output = Debugger.attach([
      "target remote \(served.name)", "stepi", "add-inferior", "inferior 2", "target remote \(served.name)",
      "inferior 1", "stepi", "monitor when", "detach",
    ])
    expect(["another debugger is attached to this replay", "position 0+2 of"], in: output)
    // Without -k the server ends with its client.
    #expect(served.wait().status == 0)
  }

  @Test func terminationInTheMiddleOfARun() throws {
    let folder = TemporaryFolder()
    let served = try ServedReplay(trace, ["--socket", folder.file("socket")])
    let client = try #require(ProtocolClient(path: served.name))
    client.say("c")
    #expect(served.stop().status == 128 + SIGTERM)
    #expect(client.hear() == "")
    #expect(!FileManager.default.fileExists(atPath: folder.file("socket")))
  }

  /// A gdb that `replay` started ends with it, and no files are left.
  @Test func terminationOfTheWholeSession() throws {
    let folder = TemporaryFolder()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: CommandRunner.chronovisor)
    let script = folder.write(
      Array("python print('ready', flush=True)\nwhile 1\n  seek end\n  seek begin\nend\n".utf8), to: "script")
    let temporary = folder.file("temporary")
    try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: true)
    process.arguments = ["replay", "-x", script, trace, "--", "-nx", "-batch"]
    process.environment = CommandRunner.environment.merging(["TMPDIR": temporary]) { $1 }
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    var text = ""
    while !text.contains("ready"), case let data = output.fileHandleForReading.availableData, !data.isEmpty {
      text += String(decoding: data, as: UTF8.self)
    }
    kill(process.processIdentifier, SIGTERM)
    // The pipe ends when gdb has ended as well.
    _ = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 128 + SIGTERM)
    #expect(try FileManager.default.contentsOfDirectory(atPath: temporary) == [])
  }

  @Test func listeningBeyondLoopbackIsSaid() throws {
    let quiet = try ServedReplay(trace, ["--serve", "0"])
    let told = try ServedReplay(trace, ["--serve", "0.0.0.0:0"])
    #expect(!quiet.stop().messages.contains("warning"))
    #expect(told.stop().messages.contains("warning: 0.0.0.0:"))
  }
}
