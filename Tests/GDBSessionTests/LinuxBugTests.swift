import Support
import Testing

/// Bugs of a Linux kernel and of a program, each found with the real gdb from its recording alone.
@Suite(
  .enabled(if: Debugger.isAvailable, "gdb is not installed"),
  .enabled(if: LinuxGuests.areAvailable, "\(LinuxGuests.reason)"), .serialized)
struct LinuxBugTests {
  private let folder = TemporaryFolder()
  private let files = LinuxGuests.bugFiles

  private func record(_ bug: String, says text: String, of guests: String = LinuxGuests.folder) -> String {
    let recording = LinuxGuests.recordBug(bug, to: folder.file("\(bug).trace"), saying: text, of: guests)
    #expect(recording.result.output.contains(text), "\(recording.result.output)")
    return recording.path
  }

  /// Who wrote over the order, through what, and who had given that memory back.
  @Test func aUseAfterFree() {
    let output = Debugger.run(
      record("use-after-free", says: "order of 0: WRONG"),
      [
        "seek end", "module-symbols \(files)", "print *order", "watch order->amount", "reverse-continue", "backtrace",
        "print (void *) latest == (void *) order", "delete", "tbreak kfree if block == latest", "reverse-continue",
        "backtrace 3",
      ])
    expect(
      [
        "use_after_free: ", "$1 = {customer = 12, amount = 0}", "Old value = 0", "New value = 250", "refund () at ",
        "#1  0x", "in desk (unused=", "in kthread (", "in ret_from_fork ()", "$2 = 1", "kfree (block=",
        "#0  kfree (block=", "in give_back (ticket=", "in start () at Tests/Guests/linux/bugs/use-after-free.c:",
      ], in: output)
  }

  /// Two tasks, each with the lock that the other one waits for, and how the first one came to it.
  @Test func aDeadlock() {
    let output = Debugger.run(
      record("deadlock", says: "END"),
      [
        "seek end", "module-symbols \(files)", "tasks", "waits", "task-bt left", "task right", "frame function eat",
        "print first_and_second == &right_handed", "watch knives.owner", "reverse-continue", "reverse-continue",
        "backtrace 3",
      ])
    expect(
      [
        "deadlock: ", "left             D      0    mutex 0x", "<knives>, held by ", "(right)",
        "right            D      0    mutex 0x", "<forks>, held by ", "(left)",
        "(left) waits for mutex 0x", "<knives>, held by ", "(right) waits for mutex 0x", "<forks>, held by ",
        "deadlock: ", "(left) -> ", "(right) -> ", "(left)\n", "(left), D\n", "#0  0x", "in __mutex_lock",
        "in eat (first_and_second=", "in kthread (", "in ret_from_fork ()", "(right), D\n", "in eat (",
        "Hardware watchpoint 1: knives.owner", "mutex_lock", "in eat (",
      ], in: output)
  }

  /// Locks of the other kinds that tasks sleep for.
  @Test func whoWaitsForWhom() {
    let output = Debugger.run(
      record("waiters", says: "END"), ["seek end", "module-symbols \(files)", "waits", "tasks"])
    let catalogue = "<catalogue>, held by ", shelf = "<shelf>, held by readers, the last one "
    expect(
      [
        "(reader) waits for rwsem 0x", catalogue, "(librarian)\n", "(carpenter) waits for rwsem 0x", shelf,
        "(reader)\n", "(guest) waits for semaphore 0x", "<desk>\n", "librarian        D      0    msleep\n",
        "carpenter        D      0    rwsem 0x", shelf,
      ], in: output)
    #expect(!output.contains("deadlock: "))
  }

  /// An interrupt wants the spinlock that the code has which it interrupted. Only kernels for several processors have
  /// spinlocks.
  @Test(
    .enabled(
      if: LinuxGuests.hasMultiprocessor, "no kernel for several processors: Tools/build-linux --smp makes it"))
  func aSpinlockInAnInterrupt() {
    let guests = LinuxGuests.multiprocessorFolder
    let output = Debugger.run(
      record("spinlock", says: "bakes", of: guests),
      ["seek end", "module-symbols \(guests)/bugs", "waits", "tasks", "backtrace"])
    expect(
      [
        "(init) spins for spinlock 0x", "<cookies>, held by 1 (init)\n", "deadlock: 1 (init) -> 1 (init)\n",
        "R      0*   spinlock 0x", "<cookies>, held by 1 (init)\n", "eat (unused=", "bake () at ", "start () at ",
        "do_one_initcall (",
      ], in: output)
  }

  /// The end of the recording is in the loop: interrupts are off, and the timer that it waits for is due.
  @Test func aSpinWithInterruptsOff() {
    let output = Debugger.run(
      record("irqs-off", says: "waits for the timer"),
      [
        "seek end", "module-symbols \(files)", "backtrace 5", "print $eflags & 0x200", "print is_ready",
        "print timer.function", "tbreak wait_until_ready", "reverse-continue", "up", "list 17,19",
      ])
    expect(
      [
        "irqs_off: ", "wait_until_ready () at Tests/Guests/linux/bugs/irqs-off.c:", "in start () at ",
        "do_one_initcall (", "$1 = 0", "$2 = 0", "<become_ready>", "Temporary breakpoint 1, wait_until_ready ()",
        "in start () at ", "local_irq_save(flags);", "wait_until_ready();",
      ], in: output)
  }

  /// One of two processes with the same addresses spoils its data: it alone is looked at.
  @Test func aCorruptionInOneOfTwoProcesses() {
    let output = Debugger.run(
      record("ledger", says: "clerk: 330 of 400: WRONG"),
      [
        "add-symbol-file \(files)/init", "seek end", "break-process clerk check", "reverse-continue", "print book",
        "watch book.accounts[0]", "reverse-continue", "backtrace 3", "print book.count > 7",
        "print &book.moved[8] == &book.accounts[0]",
      ])
    expect(
      [
        "(clerk)", "check (name=", "accounts = {18, ", "stop in process ", "(clerk) only", "in process ", "(clerk)",
        "Hardware watchpoint 2: book.accounts[0]", "Old value = 18", "write_down (amount=", "#1  ", "move (",
        "keep_book (name=", "$2 = 1", "$3 = 1",
      ], in: output)
  }

  /// A watchpoint on an argument, which is in a register, goes on through a page fault of its function, to its end.
  @Test func aWatchpointOnALocalOverAPageFault() {
    let output = Debugger.run(
      record("ledger", says: "clerk: 330"),
      [
        "add-symbol-file \(files)/init", "break-process clerk move", "continue", "delete",
        "tbreak exc_page_fault if error_code & 4", "watch from", "continue", "continue",
      ])
    expect(
      [
        "move (from=", "Watchpoint 3: from", "exc_page_fault (regs=", "Watchpoint 3 deleted because the program has",
        "keep_book (name=",
      ], in: output)
    #expect(!output.contains("Old value"), "\(output)")
  }

  /// The process that the machine is in is another one.
  @Test func aWatchpointInAProcessByItsNumber() {
    let output = Debugger.run(
      record("ledger", says: "clerk: 330"),
      [
        "add-symbol-file \(files)/init", "break-process baker check", "continue", "delete",
        "python gdb.set_convenience_variable('clerk', task_of('clerk').pid)", "eval \"space %d\", $clerk",
        "watch book.count", "monitor breakpoints", "continue", "space any", "space 99", "space nonsense",
        "when",
      ])
    expect(
      [
        "(baker)", "stop in address space 0x", "write 0x", ", in address space 0x", "(clerk)",
        "Hardware watchpoint 2: book.count", "write_down (amount=", "stop in all address spaces (any)",
        "there is no process 99 here", "give auto, any, this, CR3 (0x...) or a process's number",
      ], in: output)
  }

  /// Every write of a variable, for each of two processes that have it at the same address, forwards and backwards.
  @Test func aWatchpointBelongsToOneProcess() {
    let script =
      StepScript.stops + """
        def hits(command):
            seen = []
            while stopped_at_a_point(command):
                name = structure_at(current_task(), "struct task_struct")["comm"].string()
                if gdb.selected_frame().name() == "write_down":
                    seen.append((name, int(gdb.parse_and_eval("book.count"))))
            return seen

        for name in ("baker", "clerk"):
            gdb.execute("delete")
            gdb.execute("seek begin")
            gdb.execute("break-process %s move" % name)
            gdb.execute("continue")
            gdb.execute("delete")
            gdb.execute("watch book.count")
            forward = hits("continue")
            backward = hits("reverse-continue")
            print("result", name, [count for _, count in forward], [count for _, count in backward])
            print("result", {process for process, _ in forward + backward} == {name})

        """
    let output = Debugger.run(
      record("ledger", says: "clerk: 330"), ["add-symbol-file \(files)/init", "set python print-stack full"],
      script: script)
    // Backwards the values from before the writes, down to the one that was there first.
    expect(
      [
        "result baker [1, 2, 3, 4, 5, 6] [5, 4, 3, 2, 1, 0]", "result True",
        "result clerk [1, 2, 3, 4, 5, 6, 7, 8, 9] [8, 7, 6, 5, 4, 3, 2, 1, 0]", "result True",
      ], in: output)
  }
}
