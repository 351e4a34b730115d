import GuestMemory
import Machine
import Support
import Testing
import Trace
import VMMCore
import X86

@testable import Replay

/// What sessions decide, for every kind of host, with a vCPU that plays a script.
@Suite struct ScriptedSessionTests {
  typealias Step = ScriptedEngine.Step
  typealias Abilities = ScriptedEngine.Abilities

  private let folder = TemporaryFolder()

  /// The interrupt controllers with the timer let through, at some kHz; then windows of one instruction.
  private static let setUp: [Step] = [
    (0x20, 0x11), (0xa0, 0x11), (0x21, 0x20), (0xa1, 0x28), (0x21, 4), (0xa1, 2), (0x21, 1), (0xa1, 1), (0x21, 0xfe),
    (0xa1, 0xff), (0x43, 0x34), (0x40, 0xa9), (0x40, 0x04),
  ].map { .interact(.portWrite(port: $0.0, size: 1, value: $0.1)) }

  private static let window = setUp.count
  /// Where an interrupt is accepted: behind STI and one more.
  private static let place = UInt64(window + 2)
  private static let loop: [Step] =
    [.sti, .plain, .cli] + [Step](repeating: .plain, count: 40) + [.jump(window)]
  private static let handler = setUp.count + loop.count
  private static let program: [Step] =
    setUp + loop + [
      .count, .interact(.portWrite(port: 0x20, size: 1, value: 0x20)), .powerOff(after: 5), .interruptReturn,
    ]

  private func engine(_ abilities: Abilities) -> ScriptedEngine {
    ScriptedEngine(
      ScriptedSessionTests.program, handler: ScriptedSessionTests.handler, abilities, clock: ScriptedClock())
  }

  @discardableResult
  private func record(_ engine: ScriptedEngine, to path: String, timeout: UInt64? = nil) throws -> RunOutcome {
    let machine = InitialMachine(memorySize: 1 << 20, images: [], placements: [], state: engine.state())
    let header = TraceHeader(
      producer: "tests", engine: engine.name, cpuModel: .softwareDefault, clock: .host)
    let memory = try GuestMemory(size: machine.memorySize)
    var options = RecordOptions()
    options.timeout = timeout
    let session = RecordSession(
      engine: engine, board: try Board(startEpoch: 0, memorySize: 1 << 20, input: NoInput()) { _ in },
      clock: engine.clock, memory: memory, writer: try TraceWriter(path: path, header: header, machine: machine),
      options: options, endRequested: { nil })
    return try session.run()
  }

  private func replay(_ path: String, _ engine: ScriptedEngine) throws -> ReplayOutcome {
    let session = ReplaySession(
      engine: engine, memory: try GuestMemory(size: 1 << 20), cursor: try TraceReader(path: path).makeCursor(),
      watchdog: engine.clock, onOutput: { _ in })
    return try session.run()
  }

  private static let counting = Abilities(counts: true)
  private static let stock = Abilities()

  @Test(arguments: [counting, stock]) func everyWindowIsUsedAndFoundAgain(recorder: Abilities) throws {
    let path = folder.file("windows.trace")
    let outcome = try record(engine(recorder), to: path, timeout: 1_000_000_000)
    #expect(outcome.end == .powerOff && outcome.deliveries == 5)
    for case .delivery(.interrupt, .fingerprint(let print)) in try Recorder.events(of: path).1 {
      #expect(print.rip == ScriptedSessionTests.place)
    }
    for abilities in [ScriptedSessionTests.counting, ScriptedSessionTests.stock]
    where !recorder.counts || abilities.counts {
      let replayed = try replay(path, engine(abilities))
      #expect(replayed.end == .powerOff && replayed.events == outcome.events)
      #expect(replayed.state == outcome.state)
    }
  }

  /// Nothing that it cannot name or find is recorded by an engine that misses the windows, and it still ends.
  @Test func anEngineThatDoesNotTellEndsInTime() throws {
    let path = folder.file("late.trace")
    let outcome = try record(engine(Abilities(stopsWhenInterruptible: false)), to: path, timeout: 50_000_000)
    #expect(outcome.end == .timeout)
    let replayed = try replay(path, engine(ScriptedSessionTests.stock))
    #expect(replayed.end == .timeout && replayed.state == outcome.state)
  }

  /// Kicks that come one after the other keep no run from ending.
  @Test(arguments: [0, 1, 1000]) func kicksDoNotKeepARunFromEnding(kicks: Int) throws {
    let path = folder.file("kicks.trace")
    let outcome = try record(
      engine(Abilities(stopsWhenInterruptible: false, kicksBetween: kicks)), to: path, timeout: 20_000_000)
    #expect(outcome.end == .timeout)
    #expect(try replay(path, engine(ScriptedSessionTests.stock)).end == .timeout)
  }

  /// An interaction that the guest comes to on the way from the last kick to a place that has a name.
  @Test(arguments: [1, 3]) func anEndBehindWhatCameUpIsExact(carriesOn: Int) throws {
    let program =
      [Step](repeating: .plain, count: 12) + [.interact(.portWrite(port: 0x80, size: 1, value: 1)), .jump(0)]
    func engine(_ abilities: Abilities) -> ScriptedEngine {
      ScriptedEngine(program, handler: 0, abilities, clock: ScriptedClock())
    }
    var placed = 0
    for time in UInt64(1)...40 {
      let path = folder.file("\(time).trace")
      let recorder = engine(Abilities(carriesOn: carriesOn))
      // Each instruction takes three milliseconds; the next interaction is waited for for twenty.
      recorder.clock.jump = 3_000_000
      let outcome = try record(recorder, to: path, timeout: time * 5_000_000)
      #expect(outcome.end == .timeout)
      placed += Int(outcome.deliveries)
      let replayed = try replay(path, engine(ScriptedSessionTests.stock))
      #expect(replayed.end == .timeout && replayed.state == outcome.state)
    }
    #expect(placed > 5 && placed < 35, "\(placed) ends have a place of their own")
  }

  @Test func aHangIsAStallAndNoDivergence() throws {
    let path = folder.file("windows.trace")
    try record(engine(ScriptedSessionTests.stock), to: path)
    let stuck = engine(Abilities(hangsAt: ScriptedSessionTests.place + 10))
    stuck.clock.hangingTime = 1_000_000_000
    stuck.clock.hangingWork = 1_000_000_000
    let stall = #expect(throws: ReplayStall.self) { try replay(path, stuck) }
    // The first tick and its end come before.
    #expect(stall?.event == UInt64(ScriptedSessionTests.setUp.count + 2))
  }

  /// An hour passes at every look, but the process was stopped, and has not worked.
  @Test func aStoppedProcessIsNoStall() throws {
    let path = folder.file("windows.trace")
    let outcome = try record(engine(ScriptedSessionTests.stock), to: path)
    let slow = engine(ScriptedSessionTests.stock)
    slow.clock.jump = 3_600_000_000_000
    #expect(try replay(path, slow).events == outcome.events)
  }

  /// The judgement of an engine that counts is by its count.
  @Test func anOverrunIsADivergence() throws {
    let path = folder.file("windows.trace")
    try record(engine(ScriptedSessionTests.stock), to: path)
    let lost = engine(Abilities(counts: true, hangsAt: ScriptedSessionTests.place + 10))
    let divergence = #expect(throws: Divergence.self) { try replay(path, lost) }
    guard case .overrun(let count)? = divergence?.kind else {
      Issue.record("\(String(describing: divergence?.kind))")
      return
    }
    // The bound is what the recording's time allows; no run shorter than `unquestioned` is looked at.
    #expect(count > 0 && count < EventDistance.unquestioned)
    #expect(try #require(lost.retiredInstructions) >= EventDistance.unquestioned)
  }

  /// A loop that comes to the same state again is left long before the recording's time is over.
  @Test func aRepetitionIsADivergence() throws {
    let path = folder.file("windows.trace")
    try record(engine(ScriptedSessionTests.stock), to: path)
    let lost = engine(Abilities(counts: true, hangsAt: ScriptedSessionTests.place + 10, repeats: true))
    let divergence = #expect(throws: Divergence.self) { try replay(path, lost) }
    guard case .endless(let count)? = divergence?.kind else {
      Issue.record("\(String(describing: divergence?.kind))")
      return
    }
    #expect(count <= 4 * StateCycle.step)
  }

  /// A place that lies further away than all of the recording is not run to.
  @Test func anAbsurdPlaceIsADivergenceAtOnce() throws {
    let path = folder.file("windows.trace")
    try record(engine(ScriptedSessionTests.counting), to: path)
    let (reader, events) = try Recorder.events(of: path)
    let changed = folder.file("changed.trace")
    let writer = try TraceWriter(path: changed, header: reader.header, machine: try reader.initialMachine())
    for event in events {
      if case .delivery(let delivery, .instructions) = event {
        try writer.append(.delivery(delivery, at: .instructions(1 << 60, iterations: 0)))
      } else {
        try writer.append(event)
      }
    }
    try writer.close(elapsed: reader.duration)
    let divergence = #expect(throws: Divergence.self) { try replay(changed, engine(ScriptedSessionTests.counting)) }
    guard case .overrun? = divergence?.kind else {
      Issue.record("\(String(describing: divergence?.kind))")
      return
    }
  }
}
