import Testing
import VMMCore

@testable import GDBStub

private func command(_ text: String) -> String { "qRcmd," + hexText(text) }

/// The text of the last of several commands (or packets that begin with `:`).
private func last(_ lines: [String], target: FakeTarget = FakeTarget()) -> String {
  let packets = lines.map { $0.hasPrefix(":") ? String($0.dropFirst()) : command($0) }
  return monitorText(Conversation(packets, target: target).replies)
}

@Suite struct MonitorTests {
  @Test func helpNamesEveryCommand() {
    let help = monitor("help")
    for command in MonitorTable().commands { #expect(help.contains("  " + command.info.name)) }
    #expect(help.contains("  echo TEXT"))
    #expect(monitor("") == help)
  }

  @Test func when() {
    #expect(last([":s", "when"]) == "position 0+1 of 11+4, instruction 1 of 81\n")
  }

  @Test func recording() {
    let text = monitor("recording")
    #expect(text.contains("recording:    fake.trace\n"))
    #expect(text.contains("engine:       fake\n"))
    #expect(text.contains("here:         position 0 of"))
  }

  @Test func namesMayBeShortened() {
    #expect(monitor("wh") == "error: wh is ambiguous: when, why\n")
    #expect(monitor("whe").hasPrefix("position"))
    #expect(monitor("nothing") == "error: no such command: nothing (`monitor help` lists them)\n")
    #expect(monitor("checkpoint") == "Checkpoint 1 at 0, 0x1000\n", "a whole name wins over one that it begins")
  }

  @Test func commandsOfTheTarget() {
    #expect(monitor("echo  a  b ") == "a b\n")
    #expect(monitor("echo fail") == "error: as you wish\n")
  }

  @Test(arguments: ["qRcmd,", "qRcmd,6", "qRcmd,zz"])
  func packets(_ packet: String) {
    #expect(reply(packet) == "E16" || packet == "qRcmd,")
    #expect(reply("qRcmd").isEmpty)
  }

  @Test func goto() {
    let target = FakeTarget()
    #expect(last(["goto end"], target: target).hasPrefix("position 11+4 of 11+4"))
    #expect(last(["goto 999"], target: target) == "error: that is beyond the recording's end\n")
    #expect(last(["goto 50%", "when"], target: target).hasPrefix("position 5+5"))
    #expect(last(["goto begin", "when"], target: target).hasPrefix("position 0 of"))
    #expect(last(["goto i8", "when"], target: target).hasPrefix("position 1+1 of"))
    #expect(last(["goto"], target: target).hasPrefix("error: give a place (begin, end, "))
    #expect(last(["goto instruction 8", "when"], target: target).hasPrefix("position 1+1 of"))
    for bad in ["1+x", "101%", "x%", "instruction", "instruction x", "checkpoint x", "a b c", "-1"] {
      #expect(last(["goto \(bad)"], target: target).hasPrefix("error: not a place: \(bad)"))
    }
  }

  @Test func seekHappensAtTheNextResumeOfAnyKind() {
    for resume in ["s", "c", "bs", "bc", "vCont;s:1;c"] {
      let target = FakeTarget()
      let replies = Conversation([command("seek 3+2"), resume, "s"], target: target).replies
      #expect(replies[0] == "OK")
      #expect(replies[1].hasPrefix("T05"))
      #expect(reason(replies[1]) == "")
      #expect(target.position == Position(ordinal: 3, instructions: 3))
    }
    #expect(last(["seek nowhere"]).hasPrefix("error: not a place"))
    #expect(last(["seek"]).hasPrefix("error: give a place"))
    // An error ends a script, and the next step is one.
    #expect(Conversation([command("seek nowhere")], target: FakeTarget()).replies.last == "E01")
    #expect(last(["seek nowhere", ":s", "when"]).hasPrefix("position 0+1 "))
    #expect(lastReply([command("seek 999"), "s"]) == "E.that is beyond the recording's end")
    #expect(address(lastReply([command("seek 999"), "s", "s"])) == FakeProgram.loop, "it is tried once")
  }

  @Test func checkpoints() {
    let target = FakeTarget()
    #expect(last(["checkpoints"], target: target) == "No checkpoints.\n")
    #expect(last([":s", "checkpoint before the loop"], target: target) == "Checkpoint 1 at 0+1, 0x1002\n")
    #expect(last([":c", "checkpoint"], target: target) == "Checkpoint 2 at 11+4, 0x1018\n")
    #expect(
      last(["checkpoints"], target: target)
        == "Num  Position  Address\n1    0+1  0x1002  before the loop\n2    11+4  0x1018\n")
    #expect(last(["restart 1", ":s", "when"], target: target).hasPrefix("position 0+1 "))
    #expect(last(["goto checkpoint 2", "when"], target: target).hasPrefix("position 11+4 "))
    #expect(last(["delete 1"], target: target) == "Checkpoint 1 deleted.\n")
    #expect(last(["restart 1"], target: target) == "error: there is no checkpoint 1\n")
    #expect(last(["delete 1"], target: target) == "error: there is no checkpoint 1\n")
    #expect(last(["delete"], target: target).hasPrefix("error: wrong arguments"))
  }

  @Test func backAndForward() {
    let target = FakeTarget()
    #expect(last(["back"], target: target) == "error: there is no earlier stop in the history\n")
    let steps = [":s", ":s", ":c"]
    #expect(last(steps + ["history"], target: target) == "  0\n  0+1\n  0+2\n* 11+4\n")
    let again = ["goto begin", ":s", ":s", ":c"]
    #expect(last(again + ["back", ":s", "when"], target: target).hasPrefix("position 0+2 "))
    #expect(last(again + ["back 2", ":s", "when"], target: target).hasPrefix("position 0+1 "))
    #expect(last(again + ["back 2", ":s", "forward", ":s", "when"], target: target).hasPrefix("position 0+2 "))
    #expect(last(again + ["forward"], target: target) == "error: there is no later stop in the history\n")
    #expect(last(["back 0"], target: target).hasPrefix("error: wrong arguments"))
    #expect(last(["back x"], target: target).hasPrefix("error: wrong arguments"))
  }

  @Test func goingElsewhereForgetsWhatLiesForward() {
    var history = StopHistory()
    for ordinal in 0..<4 { history.record(Position(ordinal: UInt64(ordinal))) }
    #expect(history.back(2) == Position(ordinal: 1))
    history.record(Position(ordinal: 9))
    #expect(history.positions.map(\.ordinal) == [0, 1, 9])
    #expect(history.forward(1) == nil)
    for ordinal in 0..<2000 { history.record(Position(ordinal: UInt64(ordinal))) }
    #expect(history.positions.count == StopHistory.maximumCount)
    #expect(history.back(1) == Position(ordinal: 1998))
  }

  @Test func diversions() {
    let target = FakeTarget()
    #expect(last(["diversion"], target: target) == "no diversion is under way\n")
    #expect(last(["diversion end"], target: target) == "error: no diversion is under way\n")
    #expect(last(["diversion sideways"], target: target).hasPrefix("error: wrong arguments"))
    let packets = ["diversion begin", "diversion", ":P0=2a00000000000000", ":s", "when", "diversion end", ":s", ":p0"]
    let replies = Conversation(packets.map { $0.hasPrefix(":") ? String($0.dropFirst()) : command($0) }, target: target)
      .replies
    #expect(text(replies[1]) == "a diversion is under way\n")
    #expect(replies[2] == "OK")
    #expect(text(replies[4]).hasSuffix("(in a diversion)\n"))
    #expect(text(replies[5]) == "The diversion is over: the machine stands at 0.\n")
    #expect(address(replies[6]) == FakeProgram.start, "the next step shows the old place")
    #expect(replies[7] == "0000000000000000")
    #expect(lastReply([command("diversion begin"), "bs"], target: target) == "E.a diversion goes forward only")
  }

  @Test func targetsWithoutThem() {
    let target = MinimalTarget()
    #expect(monitor("checkpoint", target: target) == "error: this target takes no checkpoints\n")
    #expect(monitor("diversion begin", target: target) == "error: this target offers no diversions\n")
    #expect(monitor("checkpoints", target: target) == "No checkpoints.\n")
    #expect(monitor("when", target: target) == "position 0 of 0\n")
    #expect(reply("M0,1:00", target: target).hasPrefix("E.this is a replay"))
  }

  @Test func physicalMemory() {
    #expect(
      monitor("xp 0x11000 0x14")
        == "0x00011000: 31 c0 48 ff c0 48 89 04 25 00 20 00 00 e8 0e 00  1.H..H..%. .....\n"
        + "0x00011010: 00 00 48 83                                      ..H.\n")
    #expect(monitor("xp 69632 1").hasPrefix("0x00011000: 31 "))
    #expect(monitor("xp 0") == "error: there is no memory at 0x0\n")
    for bad in ["xp", "xp x", "xp 0x11000 0x10001", "xp 0x11000 -1", "xp 1 2 3"] {
      #expect(monitor(bad).hasPrefix("error: wrong arguments"))
    }
    #expect(last(["physical on", "physical"]) == "addresses are physical\n")
    #expect(last(["physical off"]) == "addresses are virtual\n")
    #expect(last(["physical maybe"]).hasPrefix("error: wrong arguments"))
  }

  @Test func breakpoints() {
    #expect(monitor("breakpoints") == "none\n")
    #expect(
      last([":Z0,1020,1;X1,27", ":Z1,1000,1", ":Z2,2000,8", "breakpoints"])
        == "break 0x1000\nbreak 0x1020 with 1 condition(s)\nwrite 0x2000, 8 byte(s)\n")
  }
}
