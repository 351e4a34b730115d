import Support
import Testing
import VMMCore
import X86

/// Watched memory and footprints where blocks run at full speed: the oracle is a run in single steps.
@Suite struct WatchSpeedTests {
  /// A stop at watched memory.
  private struct Hit: Equatable {
    var count: UInt64
    var rip: UInt64
    var stop: DebugStop
    var cpu: UInt64
  }

  private static let guests = ["race", "tasks", "faults", "strio", "smc", "mmio"]

  /// All watched accesses of a guest's first `limit` instructions, run `step` instructions at a time.
  private func hits(_ guest: String, _ watches: [DebugWatch], step: UInt64, limit: UInt64) throws -> [Hit] {
    let board = try EngineBoard(guest: guest)
    board.engine.setWatches(watches)
    var hits: [Hit] = []
    while let count = board.engine.retiredInstructions, count < limit, hits.count < 20_000 {
      let exit = try board.engine.run(.instructions(min(step, limit - count)))
      if exit != .stopped, board.handle(exit) != nil { break }
      if let stop = board.engine.takeDebugStop() {
        let state = try board.engine.state()
        hits.append(
          Hit(count: board.engine.retiredInstructions ?? 0, rip: state.linearRIP, stop: stop, cpu: state.digest))
      }
    }
    return hits
  }

  /// Places that a guest stores to, and loads from, in its first instructions.
  private func accesses(_ guest: String, limit: UInt64) throws -> [UInt64] {
    let all = DebugWatch(address: 0, count: .max, kind: .access)
    return try hits(guest, [all], step: 1, limit: limit).compactMap {
      if case .watch(let address, _, _) = $0.stop { address } else { nil }
    }
  }

  @Test(arguments: guests) func blocksStopWhereStepsDo(guest: String) throws {
    var random = SeededRandom(seed: LongTests.seed)
    let limit: UInt64 = 6000
    let touched = try accesses(guest, limit: limit)
    try #require(touched.count > 20)
    for _ in 0..<(LongTests.areOn ? 100 : 6) {
      let watches = (0...random.below(3)).map { _ in
        let kind = [DebugWatch.Kind.write, .read, .access][random.below(3)]
        let address = touched[random.below(touched.count)] &+ UInt64(random.below(5)) &- 2
        return DebugWatch(address: address, count: UInt64(1 + random.below(12)), kind: kind)
      }
      let expected = try hits(guest, watches, step: 1, limit: limit)
      #expect(try hits(guest, watches, step: limit, limit: limit) == expected)
      #expect(try hits(guest, watches, step: 777, limit: limit) == expected)
    }
  }

  @Test(arguments: guests) func footprintsHoldWhateverIsTouched(guest: String) throws {
    let limit: UInt64 = 9000
    let parts: [UInt64] = [0, 700, 4000, limit]
    let fast = try EngineBoard(guest: guest)
    let slow = try EngineBoard(guest: guest)
    slow.engine.setWatches([DebugWatch(address: 0, count: .max, kind: .access)])
    for (begin, end) in zip(parts, parts.dropFirst()) {
      fast.engine.startFootprint()
      try run(fast, upTo: end)
      let footprint = try #require(fast.engine.takeFootprint())
      var code: Set<UInt64> = []
      while let count = slow.engine.retiredInstructions, count < end {
        code.insert(slow.engine.linearRIP)
        let exit = try slow.engine.run(.instructions(1))
        if case .watch(let address, let count, let write)? = slow.engine.takeDebugStop() {
          #expect(footprint.mayAccess(address, address + count - 1, writes: write))
        }
        if exit != .stopped, slow.handle(exit) != nil { break }
      }
      #expect(code.allSatisfy { footprint.mayExecute($0) }, "\(begin) to \(end)")
      // It can tell: most of the guest's code is not run in each part.
      let lines = (UInt64(0)..<1 << 18).filter { footprint.mayExecute($0 << 6) }.count
      #expect(lines > 0 && lines < 500)
      #expect(!footprint.mayAccess(0x80_0000, 0x8f_ffff, writes: false))
    }
    #expect(fast.engine.takeFootprint() == nil)
  }

  private func run(_ board: EngineBoard, upTo end: UInt64) throws {
    while let count = board.engine.retiredInstructions, count < end {
      let exit = try board.engine.run(.instructions(end - count))
      if exit != .stopped, board.handle(exit) != nil { return }
    }
  }

  @Test func twoFootprintsAreOneTogether() throws {
    let board = try EngineBoard(guest: "tasks")
    board.engine.startFootprint()
    try run(board, upTo: 1000)
    let first = try #require(board.engine.takeFootprint())
    board.engine.startFootprint()
    try run(board, upTo: 5000)
    let second = try #require(board.engine.takeFootprint())
    let both = first.union(second)
    var differ = 0
    for line in 0..<4096 {
      let address = 0x20_0000 + UInt64(line) << 6
      let (a, b) = (first.mayExecute(address), second.mayExecute(address))
      #expect(both.mayExecute(address) == (a || b))
      if a != b { differ += 1 }
    }
    #expect(differ > 0)
    for page in 0..<4096 {
      let address = UInt64(page) << 12
      for writes in [false, true] {
        let separate =
          first.mayAccess(address, address, writes: writes) || second.mayAccess(address, address, writes: writes)
        #expect(both.mayAccess(address, address, writes: writes) == separate)
      }
    }
  }
}
