import Foundation
import Support
import Testing

/// Recordings that are ended from outside, at moments that nobody chose: each ends where the guest stood, in its loop.
/// `CHRONOVISOR_SEED` gives other moments, `CHRONOVISOR_ENDINGS` another number of recordings on each engine.
@Suite(.enabled(if: Debugger.isAvailable, "gdb is not installed"), .serialized)
struct EndingTests {
  let folder = TemporaryFolder()

  private static let count = LongTests.number("CHRONOVISOR_ENDINGS") ?? 20

  /// Whoever asks for KVM gets KVM alone.
  private static let kvmStandsAlone: Bool = {
    guard kvmAvailable else { return false }
    let folder = TemporaryFolder()
    let trace = folder.file("hello.trace")
    _ = CommandRunner.chronovisor("record", "--engine", "kvm", "-o", trace, TestGuests.path("hello"))
    return CommandRunner.chronovisor("info", "--json", trace).output.contains("\"engine\":\"kvm\"")
  }()

  private enum Way: CaseIterable {
    case limit, interrupt, terminate

    var end: String { self == .limit ? "time limit" : "stopped by the user" }
    var status: Int32 { self == .limit ? 124 : 130 }
  }

  /// Guests that would go on for hours: with interrupts off and on, in both modes, in REP instructions, asleep.
  private static let guests = ["compute", "spin", "usercompute", "userspin", "twospin", "rep", "ticker"]

  @Test func onTheSoftwareEngine() throws { try endings(.software) }
  @Test(.enabled(if: kvmStandsAlone, "no /dev/kvm, or one that has the software engine beside it"))
  func onKVM() throws { try endings(.kvm) }
  @Test(.enabled(if: kvmAvailable, "no /dev/kvm")) func onBothEngines() throws { try endings(.both) }

  private func endings(_ engine: BareMetal) throws {
    print("endings on \(engine.rawValue), seed \(LongTests.seed)")
    var random = SeededRandom(seed: LongTests.seed)
    for number in 0..<EndingTests.count {
      let way = Way.allCases[number % Way.allCases.count]
      let guest = random.pick(EndingTests.guests)
      let trace = folder.file("ended.trace")
      try? FileManager.default.removeItem(atPath: trace)
      let name = "recording \(number) of seed \(LongTests.seed) on \(engine.rawValue): \(guest), \(way)"
      record(guest, on: engine, to: trace, way, after: 0.03 + Double(random.below(120)) / 1000, name)
      let info = CommandRunner.chronovisor("info", trace)
      #expect(info.output.contains("complete") && info.output.contains(way.end), "\(name):\n\(info.output)")
      verify(trace, by: engine == .software && kvmAvailable ? .both : .software, way, name)
      verify(trace, by: nil, way, name)
      standsAtTheEnd(trace, name)
    }
  }

  /// A recorder that is killed leaves a prefix that ends in the loop, where its last look found the guest.
  @Test(arguments: [BareMetal.software] + (kvmAvailable ? [.both] : [])) func aKilledRecorder(engine: BareMetal) {
    let guest = engine == .software ? "compute" : "usercompute"
    let trace = folder.file("killed.trace")
    let script = """
      "$1" record --engine "$2" -o "$3" --append 1000000000000 "$4" </dev/null & process=$!
      until "$1" info "$3" 2>/dev/null | grep '^known up to' | grep -q '+[0-9]\\|rip'; do sleep 0.1; done
      kill -KILL $process
      wait $process
      """
    _ = CommandRunner.run(
      "/bin/bash",
      ["-c", script, "bash", CommandRunner.chronovisor, engine.rawValue, trace, TestGuests.path(guest)])
    let verification = CommandRunner.chronovisor("verify", trace)
    let place = engine == .software ? ", instruction " : ", and on to rip 0x"
    #expect(verification.status == 0, "\(verification.output)")
    expect(["incomplete recording, known up to position", place], in: verification.output)
    standsAtTheEnd(trace, "killed, \(engine.rawValue)")
  }

  private func record(
    _ guest: String, on engine: BareMetal, to trace: String, _ way: Way, after seconds: Double, _ name: String
  ) {
    let script = """
      "$1" record --engine "$2" -o "$3" --timeout "$4" --append 1000000000000 "$5" </dev/null & process=$!
      if [ "$6" != none ]; then
        while [ ! -s "$3" ] && [ ! -s "$3.partial" ]; do sleep 0.01; done
        sleep "$7"
        kill -"$6" $process
      fi
      wait $process
      """
    let signal = way == .limit ? "none" : way == .interrupt ? "INT" : "TERM"
    let result = CommandRunner.run(
      "/bin/bash",
      [
        // A shell that is not interactive lets its children ignore SIGINT, unless it has job control.
        "-m", "-c", script, "bash", CommandRunner.chronovisor, engine.rawValue, trace,
        way == .limit ? "\(seconds)" : "600", TestGuests.path(guest), signal, "\(seconds)",
      ])
    #expect(result.status == way.status, "\(name): status \(result.status), \(result.errors)")
  }

  private func verify(_ trace: String, by engine: BareMetal?, _ way: Way, _ name: String) {
    let result = CommandRunner.run(
      CommandRunner.chronovisor, ["verify"] + (engine.map { ["--engine", $0.rawValue] } ?? []) + [trace])
    // KVM finds no place inside a REP instruction.
    if engine == .both, result.output.contains("inside a REP instruction") { return }
    #expect(result.status == 0 && result.output.contains("end: \(way.end)"), "\(name):\n\(result.output)")
  }

  /// The end is the last place there is, and the guest has been there before: in a loop.
  private func standsAtTheEnd(_ trace: String, _ name: String) {
    let output = Debugger.run(
      trace,
      [
        "seek end", "set $end = $pc", "when", "continue", "when", "break *$pc", "reverse-continue",
        "print $pc == $end", "delete", "continue", "print $pc == $end", "when",
      ])
    let places = output.split(separator: "\n").filter { $0.hasPrefix("position ") }
    // Its number may be unknown until the software engine has come there.
    let positions = Set(places.compactMap { $0.split(separator: ",").first })
    let counted = Set(places.filter { $0.contains("instruction") })
    #expect(places.count == 3 && positions.count == 1 && counted.count <= 1, "\(name):\n\(output)")
    let words = places.first?.split { $0 == " " || $0 == "," } ?? []
    #expect(words.count > 3 && (words[1] == words[3] || words[1].hasPrefix(words[3])), "\(name): \(words)")
    // Where they were counted.
    if words.count > 7 { #expect(words[5] == words[7], "\(name): \(words)") }
    expect(["Breakpoint 1", "$1 = 1", "$2 = 1"], in: output)
  }
}
