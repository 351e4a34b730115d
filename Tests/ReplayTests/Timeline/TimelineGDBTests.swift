import Foundation
import Support
import Testing

private let hasGDB = CommandRunner.run("/usr/bin/env", ["gdb", "--version"]).status == 0

/// The real gdb on `chronovisor replay`.
@Suite(.enabled(if: hasGDB, "gdb is not installed")) struct TimelineGDBTests {
  /// Carries out gdb commands on a trace; what gdb printed, then what `monitor` commands did.
  private func gdb(_ trace: String, _ commands: [String], options: [String] = []) -> String {
    let arguments =
      ["replay"] + options + [trace, "--", "-nx", "-batch"] + commands.flatMap { ["-ex", $0] }
    let result = CommandRunner.run(CommandRunner.chronovisor, arguments)
    #expect(result.status == 0 && !result.timedOut, "\(result.errors)")
    return result.output + result.errors
  }

  /// The pieces come in this order.
  private func expect(_ pieces: [String], in output: String) {
    var rest = output[...]
    for piece in pieces {
      guard let range = rest.range(of: piece) else {
        Issue.record("\(piece) is missing from:\n\(output)")
        return
      }
      rest = rest[range.upperBound...]
    }
  }

  @Test func aSessionInBothDirections() {
    let output = gdb(
      TimelineFixture.race,
      [
        "break on_timer", "continue", "when", "reverse-stepi", "stepi", "info registers rip", "delete",
        "reverse-continue", "when", "continue", "when", "checkpoint", "seek 100", "restart 1", "when",
        "info recording", "monitor console",
      ])
    expect(
      [
        "start () at Tests/Guests/race.s", "Breakpoint 1, on_timer ()", "work ()", "on_timer ()", "<on_timer>",
        "No more reverse-execution history.", "start ()", "No more reverse-execution history.", "lost ()",
        "put_char ()", "lost ()", "position 56 of 120", "position 0 of 120", "position 120 of 120",
        "Checkpoint 1 at 120", "position 120 of 120", "ended:", "race: 6 interrupts",
      ], in: output)
  }

  @Test func aWatchpointGoesBackToTheOldValue() {
    let output = gdb(
      TimelineFixture.lostUpdate,
      ["seek end", "watch *(long *) &counter", "reverse-continue", "reverse-continue", "reverse-continue"])
    expect(
      [
        "Old value = 17", "New value = 32", "increment ()", "Old value = 32", "New value = 16", "on_timer ()",
        "Old value = 16", "New value = 0", "on_timer ()",
      ], in: output)
  }

  @Test func changesNeedADiversion() {
    let output = gdb(
      TimelineFixture.race,
      [
        "stepi", "set var $rax = 5", "diversion", "set var $rax = 77", "set var *(long *) &counter = 9",
        "p $rax", "p *(long *) &counter", "stepi", "diversion end", "p *(long *) &counter", "when",
      ])
    expect(
      ["= 77", "= 9", "= 0", "this is a replay", "A diversion begins", "The diversion is over", "position 0+1"],
      in: output)
  }

  @Test func theStartMayBeElsewhere() {
    expect(["position 50 of 120"], in: gdb(TimelineFixture.race, ["when"], options: ["-g", "50"]))
    expect(["instruction 1000"], in: gdb(TimelineFixture.race, ["when"], options: ["--goto", "i1000"]))
  }

  @Test func overStandardInputAndOutput() {
    let command = "target remote | \(CommandRunner.chronovisor) replay --stdio \(TimelineFixture.race)"
    let result = CommandRunner.run(
      "/usr/bin/env",
      ["gdb", "-nx", "-q", "-batch", "-ex", command, "-ex", "stepi", "-ex", "monitor when", "-ex", "detach"])
    expect(["position 0+1 of 120"], in: result.output + result.errors)
  }
}
