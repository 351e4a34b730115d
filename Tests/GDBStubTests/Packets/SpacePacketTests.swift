import Testing
import VMMCore

@testable import GDBStub

/// A machine whose address space can be chosen; addresses below 0x4000 are a process's in it.
private final class SpacedTarget: MinimalTarget {
  var space: UInt64 = 0x1000
  /// The space at the hit that `resume` comes to, and whether it was to be reported.
  var spaceAtHit: UInt64 = 0x1000
  private(set) var reported: [Bool] = []
  private(set) var watched: [[Watchpoint]] = []

  override func registers() throws(TargetError) -> CPUState {
    var state = FakeCPU.initialState
    state.cr0 |= 1 << 31
    state.cr3 = space
    state.rip = 0x1234
    return state
  }

  override func isUserMemory(at address: UInt64, in space: AddressSpace) -> Bool { address < 0x4000 }

  override func resume(_ request: ResumeRequest, control: any ResumeControl) throws(TargetError) -> StopReport {
    watched.append(request.watchpoints)
    let before = space
    space = spaceAtHit
    reported += request.breakpoints.map { control.shouldReport(breakpointAt: $0, in: self) }
    space = before
    return .end
  }

  override func seek(_ destination: Destination, control: any ResumeControl) throws(TargetError) -> StopReport {
    space ^= 0x3000
    return .step
  }
}

@Suite struct SpacePacketTests {
  private let target = SpacedTarget()

  private func monitor(_ command: String) -> String { "qRcmd," + hexText(command) }

  private func list(_ packets: [String]) -> [String] {
    monitorText(Conversation(packets + [monitor("breakpoints")], target: target).replies)
      .split(separator: "\n").map(String.init)
  }

  private func say(_ packets: [String]) { _ = Conversation(packets, target: target) }

  @Test func aPointKeepsTheSpaceInForceWhenItWasSet() {
    say(["Z0,2000,1", "Z2,2008,8", "c"])
    #expect(target.reported == [true])
    target.spaceAtHit = 0x2000
    say(["Z0,2000,1", "Z2,2008,8", "c"])
    #expect(target.reported == [true, false])
    #expect(target.watched.last?.map(\.space) == [AddressSpace(cr3: 0x1000)])
  }

  @Test func theKernelsPointsAndOthersStopInAllSpaces() {
    target.spaceAtHit = 0x2000
    say(["Z0,ffffffff81000000,1", "Z0,4000,1", "Z2,8000,8", "c"])
    #expect(target.reported == [true, true])
    #expect(target.watched.last?.map(\.space) == [nil])
  }

  /// gdb takes its points away at each stop, and sets them again where the machine stands then.
  @Test func whatIsSetAgainKeepsItsSpace() {
    #expect(list(["Z2,2000,8", "c", "z2,2000,8", monitor("seek end"), "s"]) == ["none"])
    target.space = 0x1000
    let elsewhere = ["Z2,2000,8", monitor("seek end"), "s", "z2,2000,8", "Z2,2000,8"]
    #expect(list(elsewhere) == ["write 0x2000, 8 byte(s), in address space 0x1000"])
    // The step over a breakpoint goes without it.
    target.space = 0x1000
    let stepOver = ["Z0,1234,1", "z0,1234,1", monitor("seek end"), "s", "Z0,1234,1"]
    #expect(list(stepOver) == ["break 0x1234, in address space 0x1000"])
  }

  @Test func aPointThatTheMachineRanWithoutIsForgotten() {
    let again = ["Z2,2000,8", "z2,2000,8", "c", monitor("goto end"), "Z2,2000,8"]
    #expect(list(again) == ["write 0x2000, 8 byte(s), in address space 0x2000"])
  }

  @Test func theChoice() {
    #expect(list([monitor("space any"), "Z0,2000,1"]) == ["break 0x2000"])
    #expect(list([monitor("space this"), "Z0,8000,1"]) == ["break 0x8000, in address space 0x1000"])
    #expect(list([monitor("space this"), "Z0,ffffffff81000000,1"]) == ["break 0xffffffff81000000"])
    #expect(
      list([monitor("space 0x8000000000007fff"), "Z1,8000,1"]) == ["break 0x8000, in address space 0x7000"])
    #expect(
      list([monitor("space any once"), "Z0,2000,1", "Z0,2001,1"])
        == ["break 0x2000", "break 0x2001, in address space 0x1000"])
  }

  /// A client that leaves its points set can be believed when it takes one away.
  @Test func theChoiceIsForWhatIsSetAfterIt() {
    let points = ["Z2,2000,8", "Z2,2010,8", "z2,2000,8"]
    let other = [monitor("space any"), "Z2,2000,8"]
    let bound = "write 0x2010, 8 byte(s), in address space 0x1000"
    #expect(list([monitor("breakpoints kept")] + points + other) == ["write 0x2000, 8 byte(s)", bound])
    #expect(list(points + other) == ["write 0x2000, 8 byte(s), in address space 0x1000", bound])
  }

  @Test(arguments: ["nonsense", "0xg", "-1", "any this", "22"]) func wrongChoices(_ word: String) {
    let replies = Conversation([monitor("space " + word)], target: target).replies
    #expect(replies.last == "E01")
  }

  @Test func bindingIsToldOnce() {
    let replies = Conversation(["Z2,2000,8", "c", "Z2,2010,8", "c"], target: target).replies
    let console = replies.filter { $0.hasPrefix("O") }.map { text(String($0.dropFirst())) }
    #expect(console.filter { $0.contains("address space 0x1000 only") }.count == 1)
  }
}
