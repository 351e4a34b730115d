import Support
import Testing

/// Debian's stock kernel under the real gdb: no file of its symbols, no frame pointers, moved at boot, and page tables
/// of its own for user mode. What gdb knows of it comes from the guest's memory.
///
/// `CHRONOVISOR_LONG=1 CHRONOVISOR_SEED=N Tools/test --filter KernelSymbolsTests` takes 1,000 places.
@Suite(
  .enabled(if: Debugger.isAvailable, "gdb is not installed"),
  .enabled(if: LinuxGuests.debianIsAvailable, "\(LinuxGuests.reason)"))
struct KernelSymbolsTests {
  private let trace = LinuxGuests.debianSession.path

  @Test func fromAnywhere() {
    let count = LongTests.areOn ? 1000 : 60
    let seed = LongTests.seed
    let script = BacktraceScript.withNames.fromAnywhere(count: count, seed: seed, nearEvents: 60)
    let output = Debugger.run(trace, script: script)
    #expect(output.contains("places: \(count), wrong: 0"), "seed \(seed):\n\(output)")
  }

  @Test func fromEveryInstructionOfTheEntryCode() {
    let script = BacktraceScript.withNames.alongTheEntryCode([
      "do_syscall_64", "sysvec_apic_timer_interrupt if (*(unsigned long *) ($rdi + 136) & 3) == 3",
      "exc_page_fault if $rsi & 4",
    ])
    let output = Debugger.run(trace, script: script)
    expect(
      [
        "do_syscall_64: in and out", "sysvec_apic_timer_interrupt: in and out", "exc_page_fault: in and out",
        "wrong: 0",
      ], in: output)
  }

  /// By itself at the first stop where a kernel can be, and by a command, which says what is wrong where there is none.
  @Test func symbols() {
    let output = Debugger.run(
      trace,
      [
        "kernel-symbols", "seek 70%", "info symbol &jiffies", "tbreak ksys_write", "continue", "backtrace",
        "info registers rbx", "up", "info registers rbx", "finish", "kernel-symbols", "info symbol $pc", "seek begin",
        "backtrace", "seek 70%", "print (int) jiffies != 0",
      ])
    expect(
      [
        "nothing is mapped where a 64-bit Linux has its image: it is not there yet", "chronovisor: 8",
        " symbols of the kernel at 0xffffffff", ", stack frames by its ORC tables (", "jiffies_64 in section .data",
        "ksys_write ()", "#0 ", " in ksys_write ()", "do_syscall_64 ()", "entry_SYSCALL_64", " in ?? ()",
        "rbx            0x", "do_syscall_64 ()", "rbx            <not saved>", " symbols of the kernel at 0xffffffff",
        "entry_SYSCALL_64_after_hwframe + ", "#0 ", "$1 = 1",
      ], in: output)
    #expect(!output.contains("inner to this frame") && !output.contains("corrupt stack"), "\(output)")
  }

  /// Of a gdb that somebody else has started, with the script.
  @Test func aGDBOfSomebodyElseWithTheScript() throws {
    let folder = TemporaryFolder()
    let script = folder.file("chronovisor.gdb")
    let served = try ServedReplay(
      trace, ["--socket", folder.file("socket"), "--gdb-script", script], options: ["-k", "-g", "end"])
    defer { served.stop() }
    let output = Debugger.attach(["source \(script)", "target remote \(served.name)", "backtrace"])
    expect(
      ["chronovisor: 8", "#1 ", "__do_sys_reboot ()", "do_syscall_64 ()", "entry_SYSCALL_64", "in ?? ()"], in: output)
  }

  /// Without Python's help: gdb's own commands.
  @Test func aGDBWithoutTheScript() throws {
    let folder = TemporaryFolder()
    let file = folder.file("kernel")
    let served = try ServedReplay(trace, ["--socket", folder.file("socket")], options: ["-k", "-g", "end"])
    defer { served.stop() }
    let output = Debugger.attach([
      "set confirm off", "target remote \(served.name)", "monitor kernel-symbols", "remote get kernel-symbols \(file)",
      "add-symbol-file \(file)", "backtrace", "remote get /etc/passwd \(file)",
    ])
    expect(["#1 ", "__do_sys_reboot ()", "do_syscall_64 ()", "No such file or directory"], in: output)
  }
}
