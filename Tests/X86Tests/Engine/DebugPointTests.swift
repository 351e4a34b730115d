import Testing
import VMMCore
import X86

/// What a debugger needs: exact counts, breakpoints, watched memory.
@Suite struct DebugPointTests {
  /// Steps to the first page fault: the machine at the handler's first instruction, and the count before the fault.
  private func stepToFault(_ board: EngineBoard) throws -> UInt64 {
    for _ in 0..<100_000 {
      let before = try board.engine.state().cr2
      let count = board.engine.retiredInstructions ?? 0
      let exit = try board.engine.run(.instructions(1))
      if exit != .stopped, board.handle(exit) != nil { break }
      if try board.engine.state().cr2 != before { return count }
    }
    Issue.record("no page fault")
    return 0
  }

  /// Runs, answering whatever comes, until it stops.
  private func runToStop(_ board: EngineBoard) throws {
    while true {
      let exit = try board.engine.run(.free)
      if exit == .stopped { return }
      if board.handle(exit) != nil {
        Issue.record("ended without a stop")
        return
      }
    }
  }

  @Test func anExceptionCountsAsOneInstruction() throws {
    let board = try EngineBoard(guest: "faults")
    let before = try stepToFault(board)
    #expect(board.engine.retiredInstructions == before + 1)
    let handler = board.engine.linearRIP
    let other = try EngineBoard(guest: "faults")
    other.engine.setBreakpoints([handler])
    try runToStop(other)
    #expect(other.engine.takeDebugStop() == .breakpoint(handler))
    #expect(other.engine.retiredInstructions == before + 1)
    #expect(try other.engine.state().digest == board.engine.state().digest)
  }

  /// The run ends as halted, and the breakpoint is there when something wakes the vCPU.
  @Test(arguments: [false, true]) func breakpointBehindAHalt(steps: Bool) throws {
    let board = try EngineBoard(guest: "haltforever")
    while true {
      let exit = try board.engine.run(.free)
      if exit == .halt { break }
      #expect(board.handle(exit) == nil)
    }
    let behind = board.engine.linearRIP
    let other = try EngineBoard(guest: "haltforever")
    other.engine.setBreakpoints([behind, behind - 1])
    try runToStop(other)
    #expect(other.engine.takeDebugStop() == .breakpoint(behind - 1))
    #expect(try other.engine.run(steps ? .instructions(1) : .free) == .halt)
  }

  @Test func watchedMemoryStopsBehindTheInstruction() throws {
    let board = try EngineBoard(guest: "faults")
    let before = try stepToFault(board)
    let frame = try board.engine.state().rsp
    let other = try EngineBoard(guest: "faults")
    other.engine.setWatches([DebugWatch(address: frame + 1, count: 1, kind: .write)])
    var stops = 0
    while (other.engine.retiredInstructions ?? 0) < before + 1 {
      try runToStop(other)
      guard case .watch(let address, let count, true)? = other.engine.takeDebugStop() else {
        Issue.record("stopped for another reason")
        return
      }
      #expect(address <= frame + 1 && address + count > frame + 1)
      stops += 1
    }
    // The last of them is the exception's frame.
    #expect(stops > 0)
    #expect(try other.engine.state().digest == board.engine.state().digest)
  }

  /// The loop of the guest, once it is hot: the address of an instruction in it, and how many it has.
  private func hotLoop(_ board: EngineBoard) throws -> (address: UInt64, length: UInt64) {
    while (board.engine.retiredInstructions ?? 0) < 200_000 {
      let exit = try board.engine.run(.instructions(200_000))
      if exit != .stopped { #expect(board.handle(exit) == nil) }
    }
    let address = board.engine.linearRIP
    var length: UInt64 = 0
    repeat {
      #expect(try board.engine.run(.instructions(1)) == .stopped)
      length += 1
    } while board.engine.linearRIP != address
    return (address, length)
  }

  @Test func breakpointsComeAndGoInHotCode() throws {
    let board = try EngineBoard(guest: "compute")
    let engine = board.engine
    let (address, length) = try hotLoop(board)
    for turn in 0..<200 {
      let start = try #require(engine.retiredInstructions)
      engine.setBreakpoints(turn % 3 == 0 ? [] : [address])
      #expect(try engine.run(.instructions(10 * length)) == .stopped)
      let stop = turn % 3 == 0 ? nil : DebugStop.breakpoint(address)
      #expect(engine.takeDebugStop() == stop)
      #expect(engine.retiredInstructions == start + (stop == nil ? 10 : 1) * length)
    }
    // The place of a search, likewise.
    engine.setBreakpoints([])
    for turn in UInt64(0)..<100 {
      let start = try #require(engine.retiredInstructions)
      let limit = turn % 2 == 0 ? RunLimit.until(rip: address, within: 10 * length) : .instructions(3 * length)
      #expect(try engine.run(limit) == .stopped)
      #expect(engine.retiredInstructions == start + (turn % 2 == 0 ? 1 : 3) * length)
    }
  }

  /// What is not touched by a breakpoint stays decoded and translated.
  @Test func breakpointsElsewhereCostNothing() throws {
    let board = try EngineBoard(guest: "compute")
    let engine = board.engine
    engine.measureTranslation { 0 }
    let (address, length) = try hotLoop(board)
    for _ in 0..<100 { _ = try engine.run(.instructions(10 * length)) }
    let before = try #require(engine.translation?.blocks)
    #expect(before > 0)
    for turn in 0..<100 {
      engine.setBreakpoints(turn % 2 == 0 ? [address - 0x100] : [])
      _ = try engine.run(.instructions(10 * length))
    }
    #expect(engine.translation?.blocks == before)
  }

  /// Where a condition has refused stops is told, whatever has been set meanwhile.
  @Test func refusedStopsAreTold() throws {
    let board = try EngineBoard(guest: "compute")
    let engine = board.engine
    let (address, length) = try hotLoop(board)
    let never = StopCondition(programs: [try #require(AgentExpression([0x22, 0, 0x27]))], registers: [])
    engine.setBreakpoints([address], conditions: [address: [never]])
    for other in [address - 0x100, address - 0x200] {
      let start = try #require(engine.retiredInstructions)
      #expect(try engine.run(.instructions(10 * length)) == .stopped)
      #expect(engine.retiredInstructions == start + 10 * length)
      engine.setBreakpoints([other, address], conditions: [address: [never]])
    }
    #expect(engine.takeRefusedStops() == [address])
    #expect(engine.takeRefusedStops() == [])
    _ = try engine.run(.instructions(10 * length))
    #expect(engine.takeRefusedStops() == [address])
  }
}
