import Support
import Testing

/// Linux with symbols under the real gdb: what a kernel developer does.
@Suite(
  .enabled(if: Debugger.isAvailable, "gdb is not installed"),
  .enabled(if: LinuxGuests.areAvailable, "\(LinuxGuests.reason)"), .serialized)
struct LinuxSessionTests {
  private let trace = LinuxGuests.session.path

  @Test func breakpointsBacktracesAndSource() {
    let output = Debugger.run(
      trace,
      [
        "break start_kernel", "continue", "list", "next", "reverse-next", "delete", "break do_syscall_64", "continue",
        "backtrace 2", "info registers cr3 efer gdtr_base lstar gs_base cpl", "delete", "tbreak serial8250_start_tx",
        "continue", "backtrace", "finish", "reverse-finish", "when",
      ])
    expect(
      [
        "Breakpoint 1, start_kernel () at ", "init/main.c:", "set_task_stack_end_magic(&init_task);",
        "Breakpoint 2, do_syscall_64 (regs=", "nr = syscall_enter_from_user_mode(regs, nr);", "#1  0x",
        "in entry_SYSCALL_64 () at ", "entry_64.S:", "cr3            0x", "efer           0xd01",
        "gdtr_base      0xfffffe",
        "lstar          0xffffffff81", "gs_base        0xffffffff8", "cpl            0x0", "serial8250_start_tx (port=",
        "8250_port.c:", "in __uart_start (", "n_tty_write (tty=tty@entry", "is up\\n\"", "vfs_write (file=",
        "in ksys_write (",
        "in entry_SYSCALL_64 ()", "in __uart_start (", "in uart_write (", "__uart_start(tty);", "position ",
      ], in: output)
  }

  /// A program without symbols: its first instruction, the way there and back, and its memory seen from the kernel.
  @Test func userMode() {
    let output = Debugger.run(
      trace,
      [
        "tbreak start_thread", "continue", "set $entry = new_ip", "tbreak *$entry", "continue", "print $cpl",
        "print $pc == $entry", "stepi", "print $cpl", "reverse-stepi", "print $cpl", "tbreak exc_page_fault",
        "continue", "reverse-next", "reverse-step", "print $pc == $entry", "break *$entry", "break start_thread",
        "reverse-continue", "delete", "break ksys_write if count == 20", "continue", "print $cpl", "x/s buf",
        "delete", "tbreak exc_page_fault if error_code & 4", "reverse-continue", "reverse-stepi 3", "stepi 3",
        "info symbol $pc",
      ])
    expect(
      [
        "start_thread (regs=", "in ?? ()", "$1 = 3", "$2 = 1", "$3 = 0", "$4 = 3", "exc_page_fault (regs=",
        "asm_exc_page_fault () at ", "in ?? ()", "$5 = 1", "start_thread (regs=", "ksys_write (fd=1, buf=",
        "$6 = 0", "\"Linux 6.1.", "exc_page_fault (regs=", "exc_page_fault",
      ], in: output)
  }

  /// Stepping back over the call of `error_entry`, which returns with another stack depth, stays in the handler.
  @Test func sourceLevelStepsThroughTheExceptionEntry() {
    let output = Debugger.run(
      trace,
      [
        "tbreak start_thread", "continue", "tbreak exc_page_fault", "continue", "set $there = $instructions",
        "reverse-next", "print $there - $instructions < 500", "seek instruction 90000000", "tbreak common_interrupt",
        "continue", "set $there = $instructions", "reverse-finish", "reverse-step", "reverse-step", "reverse-next",
        "print $there - $instructions < 500", "tbreak __schedule", "continue", "next", "next", "reverse-next",
        "reverse-step", "step", "set $there = $instructions", "tbreak start_kernel", "reverse-continue",
        "print $there > $instructions",
      ])
    expect(
      [
        "exc_page_fault (regs=", "asm_exc_page_fault () at ", "$1 = 1", "common_interrupt (regs=",
        "asm_common_interrupt ()", "$2 = 1", "__schedule (sched_mode=", "start_kernel ()", "$3 = 1",
      ], in: output)
  }

  /// What replay's own gdb knows of Linux, in one that an editor starts: the commands come before the symbols.
  @Test func aGDBOfSomebodyElseWithTheScript() throws {
    let folder = TemporaryFolder()
    let script = folder.file("chronovisor.gdb")
    let served = try ServedReplay(trace, ["--socket", folder.file("socket"), "--gdb-script", script])
    defer { served.stop() }
    let output = Debugger.attach([
      "source \(script)", "file \(LinuxGuests.kernel)", "target remote \(served.name)", "tbreak start_thread",
      "continue",
      "tbreak exc_page_fault", "continue", "set $there = $instructions", "reverse-next",
      "print $there - $instructions < 500", "tbreak handle_irq_event", "continue", "backtrace", "seek 10%", "when",
    ])
    expect(
      [
        "exc_page_fault (regs=", "asm_exc_page_fault () at ", "$1 = 1", "#0  handle_irq_event (", "common_interrupt (",
        "asm_common_interrupt () at ", "#", "position ",
      ], in: output)
    #expect(!output.contains("corrupt stack"), "\(output)")
  }

  @Test func aWatchpointFindsTheWriterOfAKernelVariable() {
    let output = Debugger.run(
      trace,
      [
        "tbreak ksys_write if count == 20", "continue", "watch jiffies_64", "reverse-continue", "backtrace 2",
        "x/i $pc", "reverse-continue", "continue", "delete",
      ])
    expect(
      [
        "ksys_write (", "Hardware watchpoint 2: jiffies_64", "Old value = 4294937", "New value = 4294937",
        "in do_timer (ticks=", "jiffies_64 += ticks;", "#1  0x", "in tick_periodic (", "add    %rdi,", "<jiffies_64>",
        "Old value = 4294937", "do_timer (", "Old value = 4294937",
      ], in: output)
  }

  @Test func aThousandStepsThereAndBack() {
    let output = Debugger.run(
      trace, ["tbreak do_syscall_64", "continue", "reverse-stepi 400"], script: StepScript.thereAndBack(1000))
    expect(["different states: 1001", "wrong backwards: 0", "wrong forwards: 0"], in: output)
  }

  @Test func theKernelsOwnCommands() {
    let output = Debugger.run(
      trace,
      ["tbreak ksys_write if count == 20", "continue", "lx-version", "lx-cmdline", "lx-ps", "lx-dmesg"],
      options: ["--symbols", LinuxGuests.kernel])
    expect(
      [
        "Linux version 6.1.", "console=ttyS0", "swapper", "init\n", "kthreadd", "Linux version 6.1.", "Command line: ",
        "Run /init as init process",
      ], in: output)
  }

  @Test func conditionsAreEvaluatedInTheStub() {
    let output = Debugger.run(
      trace,
      [
        "tbreak start_kernel", "continue", "set debug remote 1",
        "break serial8250_console_write if count == 13 || *s == 77", "continue", "set debug remote 0",
        "print count == 13 || *s == 77", "reverse-continue",
      ])
    expect([";X", "serial8250_console_write (up=", "$1 = 1", "No more reverse-execution history."], in: output)
    #expect(count("Packet received: T05", in: output) == 1, "\(output)")
  }
}
