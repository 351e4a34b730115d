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
}
