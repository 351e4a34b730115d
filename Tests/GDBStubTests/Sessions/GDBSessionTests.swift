import Foundation
import Testing

@testable import GDBStub

/// Sessions with the real gdb: what a user types, and what it shows.
@Suite(.enabled(if: Tool.gdb != nil, "gdb is not installed"))
struct GDBSessionTests {
  /// Runs commands and expects these texts in this order in what gdb prints.
  private func session(_ commands: [String], symbols: Bool = false, shows texts: [String]) throws {
    let session = try GDBSession(commands, symbols: symbols)
    var rest = session.output[...]
    for text in texts {
      guard let range = rest.range(of: text) else {
        Issue.record("\(text) is missing from:\n\(rest)\nall:\n\(session.output)")
        return
      }
      rest = rest[range.upperBound...]
    }
    #expect(session.end == .detached)
    let warnings = session.output.split(separator: "\n").filter { line in
      line.hasPrefix("warning:") && !line.contains("No executable") && !line.contains("Remote failure reply: E.that is")
    }
    #expect(warnings == [])
  }

  @Test func connectAndRegisters() throws {
    try session(
      ["info registers", "p $xmm0.v2_double", "p $mxcsr", "show architecture", "info float", "detach"],
      shows: [
        "0x0000000000001000 in ?? ()", "r15            0x1122334455667788", "rip            0x1000",
        "gs_base        0xffff888000001000", "cr0            0x80000011          [ PE ET PG ]",
        "efer           0x500               [ LME LMA ]", "gdtr_limit     0x37", "dr7            0x401",
        "instructions   0x0", "{42, 0}", "[ IM DM ZM OM UM PM ]", "(currently \"i386:x86-64\")",
        "R7: Empty", "[Inferior 1 (Remote target) detached]",
      ])
  }

  @Test func singleSteps() throws {
    try session(
      [
        "stepi", "stepi", "p/x $rip", "reverse-stepi", "p/x $rip", "reverse-stepi", "reverse-stepi", "stepi 81",
        "stepi",
      ],
      shows: [
        "0x1002", "0x1005", "$1 = 0x1005", "0x1002", "$2 = 0x1002", "0x1000", "No more reverse-execution history.",
        "0x1018", "No more reverse-execution history.",
      ].map { $0.hasPrefix("0x") ? "0x000000000000" + $0.dropFirst(2) : $0 })
  }

  @Test func breakpointsInBothDirections() throws {
    try session(
      ["break *0x1020", "continue", "p $rax", "continue", "p $rax", "reverse-continue", "p $rax", "reverse-continue"],
      shows: [
        "Breakpoint 1, 0x0000000000001020", "$1 = 1", "Breakpoint 1,", "$2 = 2", "Breakpoint 1,", "$3 = 1",
        "No more reverse-execution history.", "0x0000000000001000",
      ])
  }

  @Test func hardwareBreakpointsAndIgnoreCounts() throws {
    try session(
      [
        "hbreak *0x1028", "ignore 1 3", "continue", "p $rax", "delete", "tbreak *0x102b", "continue",
        "info breakpoints",
      ],
      shows: ["Hardware assisted breakpoint 1", "Breakpoint 1,", "$1 = 4", "Temporary breakpoint 2,", "No breakpoints"])
  }

  @Test func conditionsAreEvaluatedInTheStub() throws {
    try session(
      [
        "set debug remote 1", "break *0x1020 if $rax == 7", "continue", "set debug remote 0", "p $rax",
        "condition 1 *(long *) 0x2000 == 3 && $rax != 0", "reverse-continue", "p $rax",
        "condition 1 $rax > 100", "continue",
      ],
      shows: [
        "$Z0,1020,1;X", "Breakpoint 1,", "$1 = 7", "Breakpoint 1,", "$2 = 3", "No more reverse-execution history.",
      ])
  }

  @Test func watchpointsInBothDirections() throws {
    try session(
      [
        "watch *(long *) 0x2000", "continue", "continue", "p/x $rip", "reverse-continue", "p/x $rip",
        "reverse-continue",
        "delete", "rwatch *(long *) 0x2000", "continue", "p/x $rip", "delete", "awatch *(char *) 0x2001", "continue",
      ],
      shows: [
        "Hardware watchpoint 1", "Old value = 0\nNew value = 1", "Old value = 1\nNew value = 2", "$1 = 0x100d",
        "Old value = 2\nNew value = 1", "$2 = 0x1005", "Old value = 1\nNew value = 0",
        "Hardware read watchpoint 2", "Value = 1", "$3 = 0x1028",
        "Hardware access (read/write) watchpoint 3", "Value = 0 '\\000'",
      ])
  }

  @Test func memory() throws {
    try session(
      [
        "x/8xb 0x1000", "x/3i $pc", "break *0x1000", "x/2xb 0x1000", "x/xb 0x10000",
        "find /b 0x1000, 0x1100, 0x48, 0x01",
        "maint packet Qqemu.PhyMemMode:1", "maint flush dcache", "x/2xb 0x11000",
      ],
      shows: [
        "0x31\t0xc0\t0x48\t0xff\t0xc0\t0x48\t0x89\t0x04", "xor    %eax,%eax", "inc    %rax", "mov    %rax,0x2000",
        "0x31\t0xc0", "Cannot access memory at address 0x10000", "0x1028\n1 pattern found.", "received: \"OK\"",
        "0x11000:\t0x31\t0xc0",
      ])
  }

  @Test func refusedChangesAndDiversions() throws {
    try session(
      [
        "stepi", "set var $rax = 5", "set var *(long *) 0x2000 = 5", "monitor why", "diversion", "set var $rax = 77",
        "set var *(long *) 0x2008 = 6", "p $rax", "x/gd 0x2008", "stepi", "p $rax", "diversion end", "p $rax",
        "x/gd 0x2008",
        "when",
      ],
      shows: [
        "Could not write register \"rax\"; remote failure reply 'E.this is a replay: "
          + "registers and memory cannot be changed",
        "Cannot access memory at address 0x2000", "this is a replay:", "A diversion begins", "$1 = 77", "0x2008:\t6",
        "$2 = 78", "The diversion is over", "$3 = 0", "0x2008:\t0", "position 0+1 of",
      ])
  }

  @Test func theScriptsCommands() throws {
    try session(
      [
        "when", "seek 3+2", "when", "run 50%", "when", "checkpoint in the middle", "info checkpoints", "start",
        "restart 1",
        "when", "back", "when", "back", "forward", "when", "delete checkpoint 1", "info checkpoints", "info recording",
        "seek nowhere",
        "when", "seek 999", "when", "break *0x1020", "run", "p $rax", "seek instruction 80", "when",
      ],
      shows: [
        "position 0 of 11+4", "position 3+2 of", "position 5+5 of", "Checkpoint 1 at 5+5, 0x1016",
        "1    5+5  0x1016  in the middle", "0x0000000000001000", "0x0000000000001016", "position 5+5 of",
        "position 0 of", "position 0 of", "Checkpoint 1 deleted.", "No checkpoints.", "recording:    fake.trace",
        "error: not a place: nowhere", "position 0 of", "Remote failure reply: E.that is beyond the recording's end",
        "position 0 of", "Breakpoint 1, 0x0000000000001020", "$1 = 1", "instruction 80 of 81",
      ])
  }

  @Test(.enabled(if: Tool.assembler != nil && Tool.linker != nil, "as or ld is not installed"))
  func sourceLinesInBothDirections() throws {
    try session(
      [
        "break accumulate", "continue", "bt", "finish", "next", "step", "reverse-step", "reverse-next", "reverse-next",
        "step", "delete", "reverse-finish", "info symbol $pc",
      ], symbols: true,
      shows: [
        "_start ()", "xor %eax, %eax", "Breakpoint 1, accumulate ()", "#0  accumulate ()",
        "#1  0x0000000000001012 in _start ()",
        "cmp $10, %rax", "jne loop", "inc %rax", "jne loop", "cmp $10, %rax",
        "Breakpoint 1, accumulate ()",
        "add %rbx, %rcx", "call accumulate", "_start + 13 in section .text",
      ])
  }

  @Test func threadsAndHelp() throws {
    try session(
      [
        "info threads", "thread 1", "stepi 3", "info threads", "monitor help", "monitor xp 0x11000 16", "help seek",
        "info line *0x1000",
      ],
      shows: [
        "Thread 1 (CPU 0 [ring 0] at 0)", "Thread 1 (CPU 0 [ring 0] at 0+3)", "commands (names may be shortened):",
        "echo TEXT", "0x00011000: 31 c0 48",
        "Go to a place in the recording",
      ])
  }

  @Test func dynamicPrints() throws {
    try session(
      ["set dprintf-style agent", "dprintf *0x1020,\"count %d\\n\", $rax", "continue"],
      shows: (1...10).map { "count \($0)\n" } + ["No more reverse-execution history."])
  }

  @Test func disconnecting() throws {
    let session = try GDBSession(["disconnect"], symbols: false)
    #expect(session.end == .closed)
  }

  @Test func killing() throws {
    let session = try GDBSession(["kill"], symbols: false)
    #expect(session.end == .killed)
  }

  @Test func extendedRemoteRunsAgain() throws {
    let directory = try TemporaryDirectory()
    let served = try ServedTarget()
    let gdb = try #require(Tool.gdb)
    let commands = [
      "set confirm off", "target extended-remote \(served.name)", "break *0x1020", "continue", "p $rax", "kill",
      "set remote exec-file guest", "run", "p $rax", "run 3+2", "p $rax", "detach",
    ]
    let script = try directory.write(commands.joined(separator: "\n"), to: "commands")
    let text = try output(of: gdb, ["-nx", "-q", "-batch", "-x", script])
    #expect(text.contains("$1 = 1") && text.contains("$2 = 1") && text.contains("$3 = 4"), "\(text)")
    _ = served.stop()
  }

  @Test func overAUnixSocket() throws {
    let session = try GDBSession(["stepi", "detach"], symbols: false) { .unix(path: $0.path("socket")) }
    #expect(session.output.contains("0x0000000000001002 in ?? ()"))
    #expect(session.end == .detached)
  }

  /// The signal that a terminal sends to gdb while an endless guest runs.
  @Test func controlC() throws {
    let session = try GDBSession(
      ["continue", "info registers rip", "continue"], symbols: false, code: FakeProgram.endless, interrupts: 2)
    let pieces = session.output.components(separatedBy: "Program received signal SIGINT")
    #expect(pieces.count == 3, "\(session.output)")
    #expect(session.output.contains("rip            0x1000"), "\(session.output)")
  }
}
