import Foundation
import Support
import Testing

/// Backtraces of Linux from anywhere: each goes through interrupts, exceptions, system calls and interrupt stacks to
/// the program, to where the thread began, or to where the kernel began. Which of these is right is asked of the
/// kernel's own data: the task at hand, and what its system call or exception has saved at the end of its stack.
///
/// `CHRONOVISOR_LONG=1 CHRONOVISOR_SEED=N Tools/test --filter BacktraceTests` takes 1,000 places.
@Suite(
  .enabled(if: Debugger.isAvailable, "gdb is not installed"),
  .enabled(if: LinuxGuests.areAvailable, "\(LinuxGuests.reason)"))
struct BacktraceTests {
  private let trace = LinuxGuests.session.path

  @Test func fromAnywhere() {
    let count = LongTests.areOn ? 1000 : 40
    let seed = LongTests.seed
    let script = BacktraceScript.withTypes.fromAnywhere(count: count, seed: seed, nearEvents: 0)
    let output = Debugger.run(trace, script: script)
    #expect(output.contains("places: \(count), wrong: 0"), "seed \(seed):\n\(output)")
  }

  /// In entry code every instruction is another frame: all of a system call's and of an interrupt's way in and out.
  @Test func fromEveryInstructionOfTheEntryCode() {
    let script = BacktraceScript.withTypes.alongTheEntryCode([
      "do_syscall_64", "sysvec_apic_timer_interrupt if (regs->cs & 3) == 3", "exc_page_fault if error_code & 4",
    ])
    let output = Debugger.run(trace, script: script)
    expect(
      [
        "do_syscall_64: in and out", "sysvec_apic_timer_interrupt: in and out", "exc_page_fault: in and out",
        "wrong: 0",
      ], in: output)
  }

  /// Out of handlers, to what they interrupted, and on from there.
  @Test func finishingHandlers() {
    let output = Debugger.run(
      trace,
      [
        "tbreak exc_page_fault if error_code & 4", "continue", "finish", "finish", "print $cpl",
        "tbreak handle_irq_event", "continue", "frame function common_interrupt", "up", "up", "set $home = $pc",
        "frame 0",
        "finish", "finish", "finish", "finish", "backtrace 1", "finish", "print $pc == $home",
      ])
    expect(
      [
        "exc_page_fault (regs=", "in asm_exc_page_fault () at ", "in ?? ()", "$1 = 3", "handle_irq_event (desc=",
        "handle_edge_irq (desc=", "__common_interrupt (regs=", "in common_interrupt (regs=",
        "in asm_common_interrupt () at ", "#0  ", " = 1\n",
      ], in: output)
    #expect(!output.contains("inner to this frame") && !output.contains("corrupt stack"), "\(output)")
  }

  @Test func namesAndStacks() {
    let output = Debugger.run(
      trace,
      [
        "tbreak common_interrupt", "continue", "tbreak handle_irq_event", "continue", "backtrace",
        "tbreak ksys_write if count == 20", "continue", "backtrace", "backtrace -no-filters -1",
      ])
    expect(
      [
        "handle_irq_event (desc=", "in common_interrupt () at ", "irq.c:", "in asm_common_interrupt () at ",
        "idtentry.h:", "start_kernel () at ", "in secondary_startup_64_no_verify () at ", "head_64.S:", "ksys_write (",
        "do_syscall_64 (", "in entry_SYSCALL_64 () at ", "entry_64.S:", "in ?? ()",
      ], in: output)
    #expect(!output.contains("inner to this frame") && !output.contains("corrupt stack"), "\(output)")
  }
}
