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

  /// gdb 13 resumes nothing any more after a step over a breakpoint that it was told is the end of history.
  @Test(arguments: BareMetal.available) func aBreakpointAtTheEndAndAtTheBegin(engine: BareMetal) {
    let output = Debugger.run(
      race(engine),
      [
        "seek end", "break *$pc", "continue", "stepi", "next", "continue", "stepi", "reverse-stepi", "stepi",
        "continue", "seek begin", "break *$pc", "reverse-continue", "reverse-stepi", "reverse-next", "reverse-continue",
        "stepi",
        "when",
      ])
    expect(["No more reverse-execution history.", "No more reverse", "position 0+1 of "], in: output)
  }

  @Test(arguments: BareMetal.available) func conditionsIgnoreCountsAndTemporaryBreakpoints(engine: BareMetal) {
    let output = Debugger.run(
      race(engine),
      [
        "set debug remote 1", "break increment if (long) $rbp == 3", "continue", "set debug remote 0",
        "print (long) $rbp", "condition 1 *(long *) &counter < 1000 && (long) $rbp % 2 == 0", "reverse-continue",
        "print (long) $rbp", "delete", "break increment", "ignore 2 1", "continue", "print (long) $rbp", "delete",
        "tbreak increment", "reverse-continue", "print (long) $rbp", "reverse-continue",
      ])
    // The stub evaluates the condition: it comes with the breakpoint, and there is one stop. On KVM a busy machine may
    // have time for no more than a handful of rounds.
    expect(
      [
        ";X", "Breakpoint 1", "$1 = 3", "$2 = 2", "$3 = 4", "Temporary breakpoint 3", "$4 = 3",
        "No more reverse-execution history.", "start ()",
      ], in: output)
    #expect(count("Packet received: T05", in: output) == 1, "\(output)")
  }

  /// The last interrupts may come in one round of a recording on KVM: how many there were, and whether the main line
  /// looked in between, is the recording's own.
  @Test(arguments: BareMetal.available) func aWatchpointFindsItsWriterBackwards(engine: BareMetal) {
    let output = Debugger.run(
      race(engine),
      [
        "seek end", "set $last = *(long *) &ticks", "print $last >= 12", "watch *(long *) &ticks", "reverse-continue",
        "print *(long *) &ticks - $last", "x/i $pc", "reverse-continue", "print *(long *) &ticks - $last", "continue",
        "print *(long *) &ticks - $last", "continue", "print *(long *) &ticks - $last", "delete",
        "rwatch *(long *) &ticks", "reverse-continue", "print *(long *) &ticks - $last", "x/i $pc", "delete",
        "awatch *(char *) &ticks", "reverse-continue",
      ])
    expect(
      [
        "$1 = 1", "Old value = 1", "New value = 1", "on_timer ()", "inc     qword ptr [rip + ticks]", "$2 = -1", "incq",
        "Old value = 1", "New value = 1", "$3 = -2", "Old value = 1", "New value = 1", "on_timer ()", "$4 = -1",
        "Old value = 1", "New value = 1", "$5 = 0", "Hardware read watchpoint 2", "Value = 1", "$6 = -1", "incq",
        "Hardware access (read/write) watchpoint 3", "alue = 1",
      ] + (engine == .software ? ["round ()", "cmp     [rip + ticks], rbx"] : []), in: output)
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

  /// Where half of a recording on KVM is, in `increment` or not, is the recording's own: gdb names a function when it
  /// is another than before.
  @Test(arguments: BareMetal.available) func checkpointsAndPlaces(engine: BareMetal) {
    let output = Debugger.run(
      race(engine),
      [
        "break increment", "continue", "delete", "set $first = $instructions", "when", "checkpoint the first one",
        "seek 50%", "when", "checkpoint", "info checkpoints", "restart 1", "print $instructions - $first", "run end",
        "when", "back", "print $instructions - $first", "forward", "when", "delete checkpoint 1", "info checkpoints",
        "restart 1", "run begin", "continue", "reverse-continue", "seek instruction 100", "when",
      ])
    expect(
      [
        "Breakpoint 1, increment ()", "instruction 1", "Checkpoint 1 at ", "0x200488", "position ", "Checkpoint 2 at",
        "0x200488  the first one", "$1 = 0", "power_off", "position ", "increment ()", "$2 = 0",
        "power_off", "position ", "Checkpoint 1 deleted.", "there is no checkpoint 1", "start ()",
        "No more reverse-execution history.", "No more reverse-execution history.", "start ()", "instruction 100 of",
      ], in: output)
  }

  /// A long way through user mode goes over the host's CPU; the places are the same, and their numbers are counted when
  /// somebody asks for them.
  @Test(.enabled(if: kvmAvailable, "no /dev/kvm")) func theHostsCPUGetsNear() {
    let trace = BareMetal.kvm.record("usercompute", commandLine: "10000000", in: folder)
    let commands = [
      "seek end", "info registers instructions", "reverse-stepi", "when", "break *compute", "reverse-continue",
      "info registers", "delete", "seek 50%", "when", "print $r8 == (long) &table", "reverse-stepi", "stepi", "when",
      "seek end", "info registers",
    ]
    let near = Debugger.run(trace, commands)
    let alone = Debugger.run(trace, commands, options: ["--engine", "software"])
    expect(["power_off", "instructions   <unavailable>", "Breakpoint 1, compute ()", "$1 = 1"], in: near)
    expect(["power_off", "instructions   0x"], in: alone)
    let (nearPlaces, alonePlaces) = (near.split(separator: "Breakpoint 1, "), alone.split(separator: "Breakpoint 1, "))
    #expect(nearPlaces.last == alonePlaces.last)
  }
}
