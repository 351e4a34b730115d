import Support
import Testing

/// Calls into the guest, in a throw-away copy of it.
@Suite(.enabled(if: Debugger.isAvailable, "gdb is not installed"))
struct DiversionTests {
  private let folder = TemporaryFolder()

  /// gdb puts back every register that it was shown, the position and the instruction count among them.
  @Test func aCallOfAFunction() {
    let trace = BareMetal.software.record("race", commandLine: "4", in: folder)
    let output = Debugger.run(
      trace,
      [
        "tbreak increment", "continue", "when", "set $before = *(long *) &counter", "diversion begin",
        "call ((void (*)(void)) increment)()", "print *(long *) &counter - $before",
        "print ((int (*)(void)) increment)() != 0", "print *(long *) &counter - $before", "x/i $pc", "stepi",
        "diversion end", "print *(long *) &counter - $before", "when",
      ])
    expect(
      [
        "increment ()", "position ", "A diversion begins", "$1 = 1\n", "$2 = ", "$3 = 2\n", "<increment>",
        "The diversion is over", "$4 = 0", "position ",
      ], in: output)
    #expect(!output.contains("Could not write register"), "\(output)")
  }

  /// gdb 13 has no words for a refused write of memory: the reason comes from us.
  @Test func aWriteInAReplaySaysWhatToDo() {
    let trace = BareMetal.software.record("race", commandLine: "4", in: folder)
    let output = Debugger.run(
      trace,
      [
        "tbreak increment", "continue", "set var *(long *) &counter = 5", "set var $rax = 5", "diversion begin",
        "set var *(long *) &counter = 5", "set var $rax = 6", "print *(long *) &counter + $rax", "diversion end",
      ])
    let reason = "this is a replay: registers and memory cannot be changed, except in a diversion"
    expect(
      [
        "increment ()", "chronovisor: \(reason) (`monitor diversion begin`)", "Cannot access memory at address",
        "Could not write register \"rax\"; remote failure reply 'E.\(reason)", "A diversion begins", "$1 = 11",
        "The diversion is over",
      ], in: output)
    #expect(count("cannot be changed", in: output) == 2, "\(output)")
  }

  @Test(.enabled(if: LinuxGuests.areAvailable, "\(LinuxGuests.reason)")) func aFunctionOfLinux() {
    let output = Debugger.run(
      LinuxGuests.session.path,
      [
        "tbreak kernel_clone", "continue", "diversion begin", "print jiffies_to_msecs(10)",
        "print jiffies_to_msecs(20)", "diversion end", "backtrace 1",
      ])
    expect(["kernel_clone (", "$1 = 100\n", "$2 = 200\n", "The diversion is over", "#0  kernel_clone ("], in: output)
  }
}
