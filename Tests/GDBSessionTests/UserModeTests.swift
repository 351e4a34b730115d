import Support
import Testing

/// User mode of guests without an operating system under the real gdb. KVM executes it on the CPU; the replay that gdb
/// sees executes all of it in software.
@Suite(.enabled(if: Debugger.isAvailable, "gdb is not installed"), .serialized)
struct UserModeTests {
  let folder = TemporaryFolder()

  @Test(arguments: BareMetal.available) func vectorRegisters(engine: BareMetal) {
    let output = Debugger.run(
      engine.record("sse", commandLine: "", in: folder),
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
        "R7: Valid   0x40018e2c18d6eb17214f",
      ], in: output)
    // Some CPUs note the opcodes of errors only.
    if engine == .software { expect(["Opcode:              0xd9e8"], in: output) }
  }

  @Test(arguments: BareMetal.available) func tasksAndTheirMemory(engine: BareMetal) {
    let output = Debugger.run(
      engine.record("tasks", commandLine: "", in: folder),
      [
        "break *program", "continue", "print $cpl", "print/x $cs", "print $rdi == 65 || $rdi == 66", "delete",
        "break on_page_fault", "continue", "print $cpl", "print/x $cr2", "delete",
        "break on_system_call if (long) $rax == 1", "continue", "print $cpl", "x/s *(long *) ($rsp + 24)", "delete",
        "watch *(char *) &printing", "continue", "reverse-continue", "info recording",
      ])
    expect(
      [
        "Breakpoint 1, program ()", "$1 = 3", "$2 = 0x33", "$3 = 1", "on_page_fault ()", "$4 = 0",
        "$5 = 0x401ff8", "on_system_call ()", "$6 = 0", " 1\\n\"", "New value = 1", "system_call ()",
        "New value = 0",
      ], in: output)
  }

  @Test(arguments: BareMetal.available) func watchpointsInALongComputation(engine: BareMetal) {
    let output = Debugger.run(
      engine.record("usercompute", commandLine: "200000", in: folder),
      [
        "break compute", "continue", "print $cpl", "delete", "watch *(long *) ((char *) &table + 800)", "continue",
        "print $cpl", "x/i $pc", "reverse-continue", "x/i $pc", "reverse-continue", "seek end", "reverse-continue",
        "print $cpl", "x/i $pc", "continue", "delete", "tbreak compute", "reverse-continue", "print (long) $rbx",
      ], script: StepScript.thereAndBack(300))
    expect(
      [
        "compute ()", "$1 = 3", "Old value = 0\n", "compute ()", "$2 = 3", "add    (%r8,%rcx,8),%rbp",
        "New value = 0\n", "add    %rax,(%r8,%rcx,8)", "No more reverse-execution history.", "power_off",
        "Old value = ", "$3 = 3", "add    %rax,(%r8,%rcx,8)", "New value = ", "Temporary breakpoint 3, compute ()",
        "$4 = 200000",
        "different states: 301", "wrong backwards: 0", "wrong forwards: 0",
      ], in: output)
  }

  /// Code that never exits by itself, and the places in it where the timer came.
  @Test(arguments: BareMetal.interruptingUserMode) func interruptsOfAnEndlessLoop(engine: BareMetal) {
    let output = Debugger.run(
      engine.record("userspin", commandLine: "5", in: folder),
      [
        "break on_timer", "continue", "reverse-stepi", "print $cpl", "stepi", "print $cpl", "continue",
        "reverse-stepi", "set $there = $instructions", "reverse-stepi 1000", "stepi 1000",
        "print $there - $instructions", "delete", "seek begin",
        "tbreak *((char *) &count + 2) if (long) $rax == 12345", "continue", "print (long) $rax",
        "reverse-stepi", "print (long) $rax", "tbreak count", "reverse-continue", "print $cpl", "seek end",
        "watch *(long *) &ticks", "reverse-continue", "reverse-continue", "delete", "reverse-stepi 100",
      ], script: StepScript.thereAndBack(300))
    expect(
      [
        "on_timer ()", "count ()", "$1 = 3", "on_timer ()", "$2 = 0", "on_timer ()", "count ()", "$3 = 0", "start ()",
        "Temporary breakpoint 2, count ()", "$4 = 12345", "$5 = 12345", "Temporary breakpoint 3, count ()", "$6 = 3",
        "power_off", "Old value = 5", "New value = 4", "on_timer ()", "New value = 3", "different states: 301",
        "wrong backwards: 0", "wrong forwards: 0",
      ], in: output)
  }

  /// Memory that comes and goes with its page table.
  @Test(arguments: BareMetal.available) func pagesThatAreMappedWhenTheyAreTouched(engine: BareMetal) {
    let output = Debugger.run(
      engine.record("faults", commandLine: "50", in: folder),
      [
        "break on_page_fault", "continue", "continue", "print/x $cr2", "reverse-stepi", "x/i $pc", "stepi", "delete",
        "tbreak unmap_all", "continue", "print *(long *) 0x404d5008", "watch *(long *) 0x404d5008", "reverse-continue",
        "x/i $pc", "print (long) $rax", "delete", "reverse-stepi", "x/i $pc", "seek begin",
        "print *(long *) 0x404d5008", "when",
      ])
    expect(
      [
        "on_page_fault ()", "on_page_fault ()", "$1 = 0x404d5008", "touch_pages ()", "mov    %rax,0x8(%rdx)",
        "on_page_fault ()", "unmap_all ()", "$2 = 1237", "Old value = 1237", "New value = 0", "touch_pages ()",
        "mov    %rax,0x8(%rdx)", "$3 = 1237", "iretq", "start ()", "Cannot access memory at address 0x404d5008",
        "position ",
      ], in: output)
  }
}
