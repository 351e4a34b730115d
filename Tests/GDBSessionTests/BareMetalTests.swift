import Support
import Testing

/// A guest without an operating system under the real gdb, recorded on each engine: one feature a test.
@Suite(.enabled(if: Debugger.isAvailable, "gdb is not installed"), .serialized)
struct BareMetalTests {
  let folder = TemporaryFolder()

  /// The race guest: a main line, an interrupt handler, a counter.
  private func race(_ engine: BareMetal) -> String { engine.record("race", commandLine: "12", in: folder) }

  @Test(arguments: BareMetal.available) func breakpointsSourceAndRegisters(engine: BareMetal) {
    let output = Debugger.run(
      race(engine),
      [
        "break on_timer", "continue", "backtrace", "list", "info registers", "info line", "delete", "break increment",
        "continue", "finish", "reverse-continue", "info recording", "info threads",
      ])
    expect(
      [
        "start () at Tests/Guests/race.s:18", "Breakpoint 1, on_timer () at Tests/Guests/race.s:83", "#0  on_timer ()",
        "add     qword ptr [rip + counter], STEP", "rbx            0xc", "rip            0x2004b4",
        "<on_timer>", "cr0            0x8", "[ PE ", "efer           0x500               [ LME LMA ]",
        "idtr_limit     0xfff", "cpl            0x0", "instructions   0x", "starts at address 0x2004a9",
        "Breakpoint 2, increment ()", "round () at Tests/Guests/race.s:35", "Breakpoint 2, increment ()",
        "recorded with: chronovisor", "engine \(engine.rawValue)", "Thread 1 (CPU 0 [ring 0] at ",
      ], in: output)
  }

  @Test(arguments: BareMetal.available) func conditionsIgnoreCountsAndTemporaryBreakpoints(engine: BareMetal) {
    let output = Debugger.run(
      race(engine),
      [
        "break increment if (long) $rbp == 7", "set debug remote 1", "continue", "set debug remote 0",
        "print (long) $rbp", "condition 1 *(long *) &counter < 1000 && (long) $rbp % 3 == 0", "reverse-continue",
        "print (long) $rbp", "delete", "break increment", "ignore 2 4", "continue", "print (long) $rbp", "delete",
        "tbreak increment", "reverse-continue", "print (long) $rbp", "reverse-continue",
      ])
    // The stub evaluates the condition: it comes with the breakpoint, and there is one stop.
    expect(
      [
        "Breakpoint 1 at", ";X", "$1 = 7", "$2 = 6", "$3 = 11", "Temporary breakpoint 3", "$4 = 10",
        "No more reverse-execution history.", "start ()",
      ], in: output)
    #expect(count("Packet received: T05", in: output) == 1, "\(output)")
  }

  @Test(arguments: BareMetal.available) func aWatchpointFindsItsWriterBackwards(engine: BareMetal) {
    let output = Debugger.run(
      race(engine),
      [
        "seek end", "watch *(long *) &ticks", "reverse-continue", "x/i $pc", "reverse-continue", "continue", "continue",
        "delete", "rwatch *(long *) &ticks", "reverse-continue", "x/i $pc", "delete",
        "awatch *(char *) &ticks", "reverse-continue",
      ])
    expect(
      [
        "Old value = 12", "New value = 11", "on_timer ()", "inc     qword ptr [rip + ticks]", "incq", "Old value = 11",
        "New value = 10", "Old value = 10", "New value = 11", "on_timer ()", "Old value = 11", "New value = 12",
        "Hardware read watchpoint 2", "Value = 11", "incq", "Hardware access (read/write) watchpoint 3", "Value = 11",
        "round ()", "cmp     [rip + ticks], rbx",
      ], in: output)
  }

  @Test(arguments: BareMetal.available) func aThousandStepsThereAndBack(engine: BareMetal) {
    let output = Debugger.run(
      race(engine), ["break on_timer", "continue", "reverse-stepi 500"], script: StepScript.thereAndBack(1000))
    expect(["different states: 1001", "wrong backwards: 0", "wrong forwards: 0"], in: output)
  }

  @Test(arguments: BareMetal.available) func sourceLevelStepsInBothDirections(engine: BareMetal) {
    let output = Debugger.run(
      race(engine),
      [
        "break increment", "continue", "delete", "reverse-finish", "x/i $pc", "next", "reverse-next", "step",
        "reverse-step", "reverse-step", "until", "advance increment", "reverse-stepi", "stepi",
      ])
    expect(
      [
        "Breakpoint 1, increment ()", "34\t        call    increment", "call   0x200488 <increment>",
        "35\t        inc     rbp", "34\t        call    increment", "increment () at", "34\t        call    increment",
        "work () at", "ret", "34\t        call    increment", "increment () at", "round () at", "increment () at",
      ], in: output)
  }

  @Test(arguments: BareMetal.available) func checkpointsAndPlaces(engine: BareMetal) {
    let output = Debugger.run(
      race(engine),
      [
        "break increment", "continue", "delete", "when", "checkpoint the first one", "seek 50%", "when", "checkpoint",
        "info checkpoints", "restart 1", "when", "run end", "when", "back", "when", "forward", "when",
        "delete checkpoint 1", "info checkpoints", "restart 1", "run begin", "continue", "reverse-continue",
        "seek instruction 100", "when",
      ])
    expect(
      [
        "Breakpoint 1, increment ()", "instruction 1308\n", "Checkpoint 1 at ", "0x200488", "position ",
        "Checkpoint 2 at", "0x200488  the first one", "increment ()", "instruction 1308 of", "power_off", "position ",
        "increment ()", "instruction 1308 of", "power_off", "Checkpoint 1 deleted.", "there is no checkpoint 1",
        "start ()", "No more reverse-execution history.", "No more reverse-execution history.", "start ()",
        "instruction 100 of",
      ], in: output)
  }

  @Test func vectorRegisters() {
    let output = Debugger.run(
      BareMetal.software.record("sse", commandLine: "", in: folder),
      [
        "break arithmetic", "continue", "print $cpl", "stepi 4", "print $xmm0.v4_float", "print $xmm1.v4_float",
        "reverse-stepi", "print $xmm0.v4_float", "info registers mxcsr", "watch *(long *) &result",
        "seek end", "reverse-continue", "reverse-stepi", "print $st0", "info float",
      ])
    // 1.5 * 0.1 + 0.1, -2.25 * 7 + 7, ... before the sum and after it.
    expect(
      [
        "arithmetic ()", "$1 = 3", "$2 = {0.25, -8.75, ", "$3 = {0.100000001, 7, ", "$4 = {0.150000006, -15.75, ",
        "mxcsr          0x1fa0", "New value = 4620113909371954709", "fstp    tbyte ptr", "$5 = 1\n",
        "R7: Valid   0x40018e2c18d6eb17214f", "Opcode:              0xd9e8",
      ], in: output)
  }

  @Test func userModeAndItsMemory() {
    let output = Debugger.run(
      BareMetal.software.record("tasks", commandLine: "", in: folder),
      [
        "break *program", "continue", "print $cpl", "print/x $cs", "print/c $rdi", "delete",
        "break on_page_fault", "continue", "print $cpl", "print/x $cr2", "delete",
        "break on_system_call if (long) $rax == 1", "continue", "print $cpl", "x/s *(long *) ($rsp + 24)", "delete",
        "watch *(char *) &printing", "continue", "reverse-continue", "info recording",
      ])
    expect(
      [
        "Breakpoint 1, program ()", "$1 = 3", "$2 = 0x33", "$3 = 65 'A'", "on_page_fault ()", "$4 = 0",
        "$5 = 0x401ff8", "on_system_call ()", "$6 = 0", "\"B 1\\n\"", "New value = 1", "system_call ()",
        "New value = 0",
      ], in: output)
  }
}
