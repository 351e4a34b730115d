import Foundation
import Support
import Testing

/// What is not gdb's command line: LLDB, and gdb as an editor drives it.
@Suite struct OtherDebuggerTests {
  static let lldb = ["lldb-14", "lldb", "lldb-16", "lldb-19"].first { name in
    let result = CommandRunner.run("/usr/bin/env", [name, "--version"])
    return result.status == 0 && result.output.contains("lldb version")
  }

  @Test(.enabled(if: lldb != nil, "lldb is not installed, or does not start")) func lldbOnAReplay() throws {
    let folder = TemporaryFolder()
    let trace = BareMetal.software.record("race", commandLine: "4", in: folder)
    let served = try ServedReplay(trace, ["--serve", "0"])
    defer { served.stop() }
    let commands = [
      "target create \(TestGuests.path("race"))", "gdb-remote \(served.name)", "register read rip cr0",
      "memory read -s 1 -c 4 -f x `$rip`", "thread step-inst", "thread step-inst", "register read rip",
      "breakpoint set -n on_timer", "continue", "register read rip", "memory read -s 8 -c 1 -f x &counter",
      "process plugin packet monitor when", "process detach",
    ]
    let result = CommandRunner.run(
      "/usr/bin/env", [Self.lldb!, "--no-lldbinit", "--batch"] + commands.flatMap { ["-o", $0] },
      seconds: Debugger.patience)
    expect(
      [
        "stop reason = signal SIGTRAP", "rip = 0x00000000002003", "race.elf`start", "instruction step into",
        "stop reason = breakpoint 1.1", "rip = 0x00000000002004b", "race.elf`on_timer", "position ",
      ], in: result.output + result.errors)
  }

  /// What the C/C++ extension of VS Code sends with the launch configuration of PROTOCOL.md.
  @Test(.enabled(if: Debugger.isAvailable, "gdb is not installed")) func gdbAsVSCodeDrivesIt() throws {
    let folder = TemporaryFolder()
    let trace = BareMetal.software.record("race", commandLine: "4", in: folder)
    let script = folder.file("chronovisor.gdb")
    let served = try ServedReplay(trace, ["--serve", "0", "--gdb-script", script])
    defer { served.stop() }
    let commands = [
      "-gdb-set pagination off", "-interpreter-exec console \"source \(script)\"",
      "-gdb-set breakpoint pending on", "-gdb-set detach-on-fork on", "-gdb-set python print-stack none",
      "-gdb-set print object on", "-gdb-set print sevenbit-strings on", "-gdb-set host-charset UTF-8",
      "-gdb-set target-charset UTF-8", "-gdb-set target-wide-charset UTF-32", "-gdb-set dcache line-size 64",
      "-gdb-set dcache size 64", "-file-exec-and-symbols \(TestGuests.path("race"))",
      "-interpreter-exec console \"show architecture\"", "-break-insert -f on_timer", "-break-list",
      "-target-select remote \(served.name)", "-list-target-features", "-thread-info 1",
      "-stack-list-frames 0 20", "-exec-continue", "-thread-info", "-stack-list-frames --thread 1 0 20",
      "-stack-list-variables --thread 1 --frame 0 0", "-data-list-register-names", "-data-list-register-values x 16",
      "-var-create - * $rip", "-exec-next", "-exec-step --reverse", "-exec-continue --reverse",
      "-interpreter-exec console \"seek 50%\"", "-interpreter-exec console \"when\"", "-gdb-exit",
    ]
    let result = CommandRunner.run(
      "/usr/bin/env", ["gdb", "-nx", "-q", "--interpreter=mi"],
      input: "-gdb-set mi-async off\n" + commands.joined(separator: "\n") + "\n", seconds: Debugger.patience)
    expect(
      [
        "^connected", "\"reverse\"", "func=\"start\"", "^running", "reason=\"breakpoint-hit\"", "func=\"on_timer\"",
        "^running", "*stopped", "^running", "*stopped", "No more reverse-execution history", "*stopped",
        "position ", "^exit",
      ], in: result.output)
    #expect(!result.output.contains("^error"), "\(result.output)")
  }
}
