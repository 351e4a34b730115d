import Testing
import VMMCore
import X86

/// The assembled guests that need no interrupt controller.
@Suite struct GuestTests {
  @Test(arguments: ["hello", "compute", "sse", "smc", "faults", "strio", "triplefault", "wildjump", "wildtables", "mmio",
    "usercompute", "notemulated"])
  func runs(_ name: String) throws {
    let board = try EngineBoard(guest: name)
    let end = try board.run()
    print(name, end, board.engine.retiredInstructions!, board.interactions)
    print(board.text)
    if end == .limit { print(board.log.suffix(5)) }
  }
}
