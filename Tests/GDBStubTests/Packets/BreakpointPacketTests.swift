import Testing
import VMMCore

@testable import GDBStub

private let features = "qSupported:swbreak+;hwbreak+"

private func stops(_ packets: [String], target: FakeTarget = FakeTarget()) -> [String] {
  Conversation([features] + packets, target: target).replies.filter { $0.hasPrefix("T") }.map { reply in
    "\(reason(reply))@\(String(address(reply) ?? 0, radix: 16))"
  }
}

@Suite struct BreakpointPacketTests {
  @Test func softwareAndHardware() {
    #expect(stops(["Z0,1020,1", "c"]) == ["swbreak:@1020"])
    #expect(stops(["Z1,1020,1", "c"]) == ["hwbreak:@1020"])
    #expect(stops(["Z1,1020,1", "Z0,1020,1", "c"]) == ["swbreak:@1020"])
  }

  @Test func reasonsThatTheClientDoesNotKnowAreLeftOut() {
    let reply = lastReply(["Z0,1020,1", "c"])
    #expect(reply.hasPrefix("T05"))
    #expect(reason(reply) == "")
  }

  @Test func inBothDirections() {
    #expect(
      stops(["Z0,1020,1", "c", "c", "c", "bc", "bc", "bc"])
        == [
          "swbreak:@1020", "swbreak:@1020", "swbreak:@1020", "swbreak:@1020", "swbreak:@1020", "replaylog:begin@1000",
        ])
  }

  @Test func theStartDoesNotCount() {
    #expect(stops(["Z0,1000,1", "c"]) == ["replaylog:end@1018"])
  }

  @Test func removed() {
    #expect(stops(["Z0,1020,1", "z0,1020,1", "c"]) == ["replaylog:end@1018"])
    #expect(stops(["Z0,1020,1", "Z1,1020,1", "z0,1020,1", "c"]) == ["hwbreak:@1020"])
    #expect(stops(["Z0,1020,1", "Z0,1020,1", "z0,1020,1", "c"]) == ["replaylog:end@1018"], "set twice is set once")
    #expect(reply("z0,1234,1") == "OK", "removing what is not there")
  }

  @Test func invisibleInMemory() {
    #expect(lastReply(["Z0,1000,1", "Z1,1002,1", "m1000,8"]) == "31c048ffc0488904")
  }

  @Test func manyBreakpoints() {
    let packets = (0..<1000).map { "Z0,\(String(0x4000 + 7 * $0 % 5000, radix: 16)),1" }
    #expect(stops(packets + ["Z0,1028,1", "c"]) == ["swbreak:@1028"])
  }

  @Test(arguments: [
    "Z", "Z0", "Z0,", "Z0,1000", "Z0,1000,", "Z5,1000,1", "Zx,1000,1", "Z0,1000,1x", "Z0,1000,1;X", "Z0,1000,1;X2,22",
    "Z0,1000,1;X2", "Z0,1000,1;Xzz,22", "Z0,1000,1;foo", "Z0,1000,1;cmds:", "Z0,1000,1;cmds:1", "Z0,1000,1;cmds:1,Y",
    "Z2,2000,0", "Z2,ffffffffffffffff,2", "Z2,2000,8;X1,27", "z", "z0,1000", "z5,1000,1", "z2,2000,0",
  ])
  func malformed(_ packet: String) {
    #expect(reply(packet) == "E16")
  }

  @Test func bounds() throws {
    var table = BreakpointTable()
    for address in 0..<BreakpointTable.maximumCount {
      try table.insert(.software, at: UInt64(address), BreakpointTable.Breakpoint())
    }
    #expect(throws: PacketError.tooMuch) {
      try table.insert(.hardware, at: 0, BreakpointTable.Breakpoint())
    }
    #expect(reply("Z0,1000,1;" + String(repeating: "X1,27", count: 65)) == "E07")
    #expect(reply("Z0,1000,1;X4001,27") == "E07")
    let packets = (0..<1025).map { "Z2,\(String(0x4000 + $0, radix: 16)),1" }
    let replies = Conversation(packets).replies
    #expect(replies[1023] == "OK")
    #expect(replies[1024] == "E07")
  }
}

@Suite struct WatchpointPacketTests {
  @Test func afterTheWriteForwardAndBeforeItBackwards() {
    #expect(stops(["Z2,2000,8", "c", "c"]) == ["watch:2000@100d", "watch:2000@100d"])
    let target = FakeTarget()
    #expect(stops(["Z2,2000,8", "c", "c", "bc"], target: target).last == "watch:2000@1005")
    #expect(target.cpu.load(FakeProgram.counter) == 1, "memory holds the old value")
  }

  @Test func kinds() {
    #expect(stops(["Z3,2000,8", "c"]) == ["rwatch:2000@1028"])
    #expect(stops(["Z4,2000,8", "c", "c"]) == ["awatch:2000@100d", "awatch:2000@1028"])
    #expect(stops(["Z3,2000,8", "c", "bc"]).last == "rwatch:2000@1020")
  }

  @Test func anyLengthAndPlace() {
    #expect(stops(["Z2,2003,1", "c"]) == ["watch:2003@100d"], "a byte inside the store")
    #expect(stops(["Z2,1ff0,1000", "c"]) == ["watch:2000@100d"], "a range around it")
    #expect(stops(["Z2,2008,100", "c"]) == ["replaylog:end@1018"], "right behind it")
    #expect(stops(["Z2,1fff,1", "c"]) == ["replaylog:end@1018"], "right before it")
  }

  @Test func removedByKindAndLength() {
    #expect(stops(["Z2,2000,8", "z2,2000,4", "z3,2000,8", "c"]) == ["watch:2000@100d"])
    #expect(stops(["Z2,2000,8", "z2,2000,8", "c"]) == ["replaylog:end@1018"])
  }

  @Test func theWholeAddressSpace() {
    #expect(stops(["Z4,0,ffffffffffffffff", "c"]) == ["awatch:2000@100d"])
    let last = Watchpoint(.access, at: .max, count: 1)
    #expect(last?.isHit(at: .max, count: 1, isWrite: true) == true)
    #expect(last?.isHit(at: 0, count: 1, isWrite: true) == false)
  }
}

@Suite struct ConditionTests {
  /// `$rax == 3`, as gdb 13 sends it: reg 0, const8 3, equal, end.
  private let raxIs3 = "X6,260000220313" + "27"
  private let length7 = "X7,26000022031327"

  @Test func evaluatedAtTheHit() {
    let target = FakeTarget()
    #expect(stops(["Z0,1020,1;\(length7)", "c"], target: target) == ["swbreak:@1020"])
    #expect(target.cpu.state.rax == 3)
    #expect(target.conditionChecks == 3)
  }

  @Test func backwardsToo() {
    let target = FakeTarget()
    #expect(stops(["c", "Z0,1020,1;\(length7)", "bc"], target: target).last == "swbreak:@1020")
    #expect(target.cpu.state.rax == 3)
  }

  @Test func oneOfSeveralIsEnough() {
    let raxIs5 = "X7,26000022051327"
    let target = FakeTarget()
    #expect(stops(["Z0,1020,1;\(raxIs5)\(length7)", "c", "c"], target: target) == ["swbreak:@1020", "swbreak:@1020"])
    #expect(target.cpu.state.rax == 5)
  }

  @Test func onMemory() {
    // *(long *) 0x2000 == 4: const16 0x2000, ref64, const8 4, equal, end.
    let target = FakeTarget()
    #expect(stops(["Z0,1020,1;X8,2320001a22041327", "c"], target: target) == ["swbreak:@1020"])
    #expect(target.cpu.state.rax == 4)
  }

  @Test func aConditionWithoutAValueStops() {
    let target = FakeTarget()
    #expect(stops(["Z0,1020,1;X1,13", "c"], target: target) == ["swbreak:@1020"])
    #expect(target.cpu.state.rax == 1)
  }

  @Test func settingAgainReplacesTheCondition() {
    let target = FakeTarget()
    #expect(stops(["Z0,1020,1;\(length7)", "Z0,1020,1", "c"], target: target) == ["swbreak:@1020"])
    #expect(target.cpu.state.rax == 1)
  }

  @Test func aConditionThatIsCutOffIsMalformed() {
    #expect(reply("Z0,1020,1;\(raxIs3)00") == "E16")
  }

  @Test func dynamicPrints() {
    // printf("%d\n", $rax): reg 0, const8 0 (channel), const8 0 (function), printf 1 argument, 4 bytes of format.
    let print = "260000" + "2200" + "2200" + "3401" + "0004" + "25640a00" + "27"
    let packet = "Z0,1020,1;cmds:0,X\(String(print.count / 2, radix: 16)),\(print)"
    let replies = Conversation([features, packet, "c"]).replies
    let output = replies.filter { $0.hasPrefix("O") && $0 != "OK" }.map { text(String($0.dropFirst())) }
    #expect(output == (1...10).map { "\($0)\n" })
    #expect(replies.last.map(reason) == "replaylog:end")
    let backwards = Conversation([features, "c", packet, "bc"]).replies
    #expect(backwards.count == 4, "nothing is executed backwards, so nothing is printed")
  }
}
