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
    let output = Debugger.run(trace, script: BacktraceTests.script(count: count, seed: seed))
    #expect(output.contains("places: \(count), wrong: 0"), "seed \(seed):\n\(output)")
  }

  /// In entry code every instruction is another frame: all of a system call's and of an interrupt's way in and out.
  @Test func fromEveryInstructionOfTheEntryCode() {
    let output = Debugger.run(trace, script: BacktraceTests.entries)
    expect(
      [
        "do_syscall_64: in and out", "sysvec_apic_timer_interrupt: in and out", "exc_page_fault: in and out",
        "wrong: 0",
      ], in: output)
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

  /// `walk()`: the frames from here, outermost last; `wanted()`: where they have to end.
  private static let frames = """
    import gdb, random

    def number(text):
        return int(gdb.parse_and_eval(text)) & (1 << 64) - 1

    def walk():
        frames, frame = [], gdb.newest_frame()
        while frame is not None and len(frames) < 200:
            frames.append(frame)
            frame = frame.older()
        return frames

    def wanted():
        task = number("*(unsigned long *) &current_task")
        if task == 0 or number("((struct task_struct *) %d)->pid" % task) == 0:
            return "begin", None
        # PF_KTHREAD; the first process is one until it executes a program.
        if number("((struct task_struct *) %d)->flags" % task) & 0x200000:
            return "thread", None
        rip = number("*(unsigned long *) ((unsigned long) ((struct task_struct *) %d)->stack + 0x4000 - 40)" % task)
        return ("program", rip) if rip else ("thread", None)

    def found(frames):
        programs = [frame.pc() for frame in frames if frame.pc() < 1 << 47]
        if programs and programs[0] != 0:
            return "program", programs[0]
        name = frames[-1].name() or ""
        kind = "thread" if name == "ret_from_fork" else "begin" if "startup_64" in name else "nowhere"
        outermost = frames[-1].unwind_stop_reason() == gdb.FRAME_UNWIND_OUTERMOST
        return (kind if outermost else "nowhere"), None

    def report(frames):
        print("i%d: wanted %s, found %s:" % (number("$instructions"), wanted(), found(frames)))
        for frame in frames:
            print("   %#x %s" % (frame.pc(), frame.name()))
        print(gdb.frame_stop_reason_string(frames[-1].unwind_stop_reason()))

    """

  private static func script(count: Int, seed: UInt64) -> String {
    frames + """
      gdb.execute("seek end", to_string=True)
      total = number("$instructions")
      start, end = number("(unsigned long) &__entry_text_start"), number("(unsigned long) &__entry_text_end")
      random.seed(\(seed))
      wrong, places = 0, 0
      while places < \(count):
          gdb.execute("seek instruction %d" % random.randrange(1, total), to_string=True)
          if number("$cpl") == 3:
              # Nothing to see: the program is where it is.
              continue
          places += 1
          frames, want = walk(), wanted()
          right = found(frames) == want
          if start <= frames[0].pc() < end or "__switch_to" in [frame.name() for frame in frames[:8]]:
              # The kernel's own data is not of this entry yet, or not of this task.
              right = found(frames)[0] != "nowhere"
          if not right:
              wrong += 1
              report(frames)
      print("places: %d, wrong: %d" % (places, wrong))

      """
  }

  private static let entries =
    frames + """
      wrong = 0

      def compare(truth):
          global wrong
          if found(walk()) != truth:
              wrong += 1
              report(walk())

      def along(place):
          # From a C function back to the program that was left, and from its return to the program: every instruction's
          # frames end where the program goes on.
          gdb.execute("seek instruction 400000000", to_string=True)
          gdb.execute("tbreak " + place, to_string=True)
          gdb.execute("continue", to_string=True)
          here, frames = number("$instructions"), walk()
          truth, back = found(frames), frames[1].pc()
          assert truth[0] == "program", report(frames)
          steps = 0
          while number("$cpl") != 3 and steps < 400:
              compare(truth)
              gdb.execute("reverse-stepi", to_string=True)
              steps += 1
          gdb.execute("seek instruction %d" % here, to_string=True)
          gdb.execute("tbreak *%d" % back, to_string=True)
          gdb.execute("continue", to_string=True)
          truth = wanted()
          while number("$cpl") != 3 and steps < 800:
              compare(truth)
              gdb.execute("stepi", to_string=True)
              steps += 1
          print("%s: %s" % (place.split(" ")[0], "in and out" if 40 < steps < 400 else "%d steps" % steps))

      gdb.execute("delete", to_string=True)
      along("do_syscall_64")
      along("sysvec_apic_timer_interrupt if (regs->cs & 3) == 3")
      along("exc_page_fault if error_code & 4")
      print("wrong: %d" % wrong)

      """
}
