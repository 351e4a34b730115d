import Support
import Testing

/// The script's commands for Linux's tasks, processes and system calls, under the real gdb.
@Suite(
  .enabled(if: Debugger.isAvailable, "gdb is not installed"),
  .enabled(if: LinuxGuests.areAvailable, "\(LinuxGuests.reason)"), .serialized)
struct LinuxTaskTests {
  private let trace = LinuxGuests.session.path

  /// The oracle is the kernel's own command.
  @Test func tasksAreThoseOfTheKernelsOwnCommand() {
    let script = """
      for place in ("20%", "50%", "70%", "90%", "end"):
          gdb.execute("seek " + place, to_string=True)
          own = [line.split() for line in gdb.execute("tasks", to_string=True).splitlines()[1:]]
          theirs = [line.split() for line in gdb.execute("lx-ps", to_string=True).splitlines()[1:]]
          same = sorted((task[0], task[1]) for task in own) == sorted((task[1], task[2]) for task in theirs)
          running = [task[0] for task in own if "*" in task[3]]
          print("result", place, len(own) > 5, same, running == [str(gdb.parse_and_eval("current_task->pid"))])

      """
    let output = Debugger.run(
      trace, ["set python print-stack full"], options: ["--symbols", LinuxGuests.kernel], script: script)
    expect(["20%", "50%", "70%", "90%", "end"].map { "result \($0) True True True" }, in: output)
  }

  /// Each goes to where its thread begins, or through a system call or an exception to the program.
  @Test func backtracesOfAllTasksEndWhereTheyBegin() {
    let script = """
      ends = ("ret_from_fork", "entry_SYSCALL_64", "secondary_startup_64_no_verify", "asm_")
      for place in ("30%", "60%", "80%"):
          gdb.execute("seek " + place, to_string=True)
          before = gdb.execute("info registers", to_string=True)
          traces = gdb.execute("task-bt all", to_string=True).split("\\ntask ")
          alive = [trace for trace in traces if trace.split("\\n")[0][-1] in "SDIR"]
          bad = [trace for trace in alive if not any(end in trace for end in ends)]
          print("result", place, len(traces) > 10, bad, before == gdb.execute("info registers", to_string=True))

      """
    let output = Debugger.run(trace, ["set python print-stack full"], script: script)
    expect(["30%", "60%", "80%"].map { "result \($0) True [] True" }, in: output)
  }

  /// What is seen of a task ends with the machine's next move, which goes from where the machine stands.
  @Test func aTaskIsSeenUntilTheMachineMoves() {
    let output = Debugger.run(
      trace,
      [
        "seek 50%", "set $there = $pc", "set $place = $instructions", "task kthreadd", "print $pc == $there",
        "frame function kthreadd", "info symbol $pc", "task", "print $pc == $there", "task 2", "stepi",
        "print $instructions - $place", "task 2", "reverse-stepi", "print $pc == $there", "task nobody",
        "task 2 3", "when",
      ])
    expect(
      [
        "task 2 (kthreadd), S", "$1 = 0", "in kthreadd (", "kthreadd + ", "$2 = 1", "task 2 (kthreadd)", "$3 = 1",
        "task 2 (kthreadd)", "$4 = 1", "there is no task nobody here: `tasks` lists them", "give one task's number",
      ], in: output)
  }

  /// gdb 13's own `frame view` ends it by an internal error in such a frame.
  @Test func aFrameThatTheUserChooses() {
    let output = Debugger.run(
      trace,
      [
        "seek 50%", "task 2", "set $stack = $rsp", "set $frame = $rbp", "set $place = $pc", "task",
        "frame view $frame $place", "backtrace 2", "frame view", "when",
      ])
    expect(
      [
        "in context_switch (", "#0  0x", "in context_switch (", "#1  __schedule (",
        "give a stack address and a PC address", "position ",
      ], in: output)
    #expect(!output.contains("internal-error"))
  }

  /// The oracle is a breakpoint without a condition, whose stops Python tells apart.
  @Test func systemCallsByName() {
    let script =
      StepScript.stops + """
        def stops(command):
            seen = []
            while stopped_at_a_point(command):
                task = structure_at(current_task(), "struct task_struct")
                seen.append((task["comm"].string(), int(gdb.parse_and_eval("$instructions"))))
            return seen

        gdb.execute("break *__x64_sys_openat")
        everything = stops("continue")
        name = everything[-1][0]
        gdb.execute("delete")
        gdb.execute("seek begin")
        gdb.execute("catch-syscall openat " + name)
        forward = stops("continue")
        backward = stops("reverse-continue")
        print("result", len(everything) > len(forward) > 0, forward == [stop for stop in everything if stop[0] == name])
        print("result", backward == forward[::-1])
        gdb.execute("delete")
        gdb.execute("catch-syscall openat")
        print("result", stops("continue") == everything)

        """
    let output = Debugger.run(trace, ["set python print-stack full", "catch-syscall nonsense"], script: script)
    expect(
      ["this kernel has no system call nonsense", "result True True", "result True", "result True"], in: output)
  }

  /// Where its first instruction comes next, in both directions. The shell's own `sort` calls itself so without exec.
  @Test func aProcessByItsName() {
    let output = Debugger.run(
      trace,
      [
        "break-process busybox", "continue", "print current_task->comm", "set $there = $instructions", "tbreak *new_ip",
        "continue", "print $cpl", "seek end", "reverse-continue", "print $instructions >= $there", "delete",
        "break-process sort ksys_write", "continue", "print current_task->comm", "delete",
        "break-process much-too-long-a-name", "when",
      ], options: ["--symbols", LinuxGuests.kernel])
    expect(
      [
        "start_thread (regs=", "\"busybox", "in ?? ()", "$2 = 3", "start_thread (regs=", "$3 = 1", "ksys_write (fd=",
        "\"sort", "a process's name has 1 to 15 bytes",
      ], in: output)
  }
}
