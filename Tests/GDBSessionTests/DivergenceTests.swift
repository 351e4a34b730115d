import Foundation
import Support
import Testing
import Trace
import VMMCore

/// A trace that cannot be followed to its end, under the real gdb: the user sees why, looks around where it ends, and
/// goes back from there.
@Suite(.enabled(if: Debugger.isAvailable, "gdb is not installed"), .serialized)
struct DivergenceTests {
  let folder = TemporaryFolder()

  /// The race guest, whose trace says that the last character that it printed was another one.
  private func diverging(_ engine: BareMetal) throws -> String {
    let reader = try TraceReader(path: engine.record("race", commandLine: "12", in: folder))
    var events: [TraceEvent] = []
    var cursor = reader.makeCursor()
    while let event = try cursor.next() { events.append(event) }
    let last = events.lastIndex { if case .interaction(.portWrite(port: 0x3f8, _, _), _) = $0 { true } else { false } }
    events[try #require(last)] = .interaction(.portWrite(port: 0x3f8, size: 1, value: 0x7e), .none)
    let path = folder.file("diverging.trace")
    let writer = try TraceWriter(path: path, header: reader.header, machine: try reader.initialMachine())
    for event in events { try writer.append(event) }
    try writer.close(elapsed: 0)
    return path
  }

  private let report = [
    "chronovisor: diverged at", "expected out 1 port 0x3f8 value 0x7e, got out 1 port 0x3f8 value 0xa",
    "events before it:", "No more reverse-execution history.", "put_char () at Tests/Guests/include/machine.inc:84",
  ]

  @Test(arguments: BareMetal.available) func theMachineCanBeLookedAtWhereItLeftThePath(engine: BareMetal) throws {
    let output = Debugger.run(
      try diverging(engine),
      [
        "continue", "x/i $pc", "backtrace 2", "print $al", "print *(long *) &ticks >= 12", "stepi", "reverse-stepi",
        "stepi", "x/i $pc",
        "break on_timer", "reverse-continue", "delete", "seek end", "next", "reverse-continue",
      ])
    expect(
      report + [
        "=> 0x20002c <put_char+17>:\tout    %al,(%dx)", "#0  put_char ()", "#1", "in put_string ()", "$1 = 10",
        "$2 = 1",
      ] + report.dropLast() + ["83\t", "84\t", "=> 0x20002c", "Breakpoint 1, on_timer ()"] + report + report
        + ["No more reverse-execution history.", "start () at Tests/Guests/race.s:18"], in: output)
  }

  @Test func aSessionThatBeginsThere() throws {
    let output = Debugger.run(try diverging(.software), ["x/i $pc", "reverse-stepi"], options: ["--goto", "end"])
    expect(
      ["diverged at", "put_char () at Tests/Guests/include/machine.inc:84", "=> 0x20002c", "83\t"], in: output)
  }

  /// Up to the damage the trace is as good as any.
  @Test func aDamagedTrace() throws {
    let sound = BareMetal.software.record("ticker", commandLine: "1000", in: folder)
    var bytes = try FileBytes.read(sound)
    bytes[bytes.count / 2] ^= 0x10
    let damaged = folder.write(bytes, to: "damaged.trace")
    let script = """
      import gdb
      gdb.execute("continue")
      count = int(gdb.parse_and_eval("(long) $instructions"))
      print("pc at the damage", hex(int(gdb.parse_and_eval("(long) $pc"))))
      gdb.execute("reverse-stepi")
      print("went back:", count - int(gdb.parse_and_eval("(long) $instructions")) == 1)
      gdb.execute("stepi")
      gdb.execute("stepi")
      print("went on:", int(gdb.parse_and_eval("(long) $instructions")) != count)

      """
    let damage = "damaged.trace: damaged at offset"
    expect(
      [
        damage, "No more reverse-execution history.", "pc at the damage 0x", "went back: True", damage,
        "went on: False",
      ],
      in: Debugger.run(damaged, script: script))
  }
}
