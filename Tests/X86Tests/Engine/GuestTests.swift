import Testing
import VMMCore
import X86

/// The assembled guests that need no interrupt controller.
@Suite struct GuestTests {
  @Test func helloPrintsAndPowersOff() throws {
    let board = try EngineBoard(guest: "hello")
    #expect(try board.run() == .powerOff)
    #expect(board.text == "hello from a 64-bit guest\n16 MiB of memory\n")
  }

  @Test func changedCodeTakesEffect() throws {
    let board = try EngineBoard(guest: "smc")
    #expect(try board.run() == .powerOff)
    #expect(board.text.contains("all changes took effect"))
  }

  @Test func pageFaultsAreHandled() throws {
    let board = try EngineBoard(guest: "faults")
    #expect(try board.run() == .powerOff)
    #expect(board.text.contains("3000 page faults"))
  }

  /// Code over a page's end, whose second page changes: what a PC does, in kernel and in user mode.
  static let fallthroughText = """
    kernel 0 fault 16
    kernel 1 fault 17
    kernel 2 fault 16
    kernel 3 returns 1
    kernel 4 returns 1
    user 0 fault 20
    user 1 fault 21
    user 2 fault 20
    user 3 returns 1
    user 4 returns 1

    """

  @Test func changedMappingsTakeEffectOverAPagesEnd() throws {
    let board = try EngineBoard(guest: "fallthrough")
    #expect(try board.run() == .powerOff)
    #expect(board.text == GuestTests.fallthroughText)
  }

  @Test(arguments: ["triplefault", "wildjump", "wildtables"])
  func endsInTripleFault(_ name: String) throws {
    let board = try EngineBoard(guest: name)
    #expect(try board.run() == .exit(.shutdown))
    // And stays there.
    #expect(try board.engine.run(.free) == .shutdown)
  }

  /// The same guest in pieces of any size takes the same way.
  @Test(arguments: ["hello", "smc"], [UInt64(1), 2, 7, 20])
  func stopsChangeNothing(_ name: String, _ count: UInt64) throws {
    let whole = try EngineBoard(guest: name)
    #expect(try whole.run() == .powerOff)
    let pieces = try EngineBoard(guest: name)
    var stops: UInt64 = 0
    while true {
      let before = pieces.engine.retiredInstructions ?? 0
      let exit = try pieces.engine.run(.instructions(count))
      guard exit == .stopped else {
        if pieces.handle(exit) != nil { break }
        continue
      }
      stops += 1
      #expect(pieces.engine.retiredInstructions == before + count)
    }
    #expect(stops > 0)
    #expect(pieces.text == whole.text)
    #expect(pieces.engine.retiredInstructions == whole.engine.retiredInstructions)
    #expect(try pieces.engine.state().digest == whole.engine.state().digest)
  }
}
