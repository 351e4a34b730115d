import Testing
import VMMCore

@testable import GDBStub

@Suite struct LifecycleTests {
  @Test func detach() {
    let conversation = Conversation(["D", "qC"])
    #expect(conversation.replies == ["OK"], "nothing is answered after it")
    #expect(conversation.end == .detached)
    #expect(Conversation(["D;1"]).end == .detached)
    #expect(Conversation(["Dx"]).replies == ["E16"])
  }

  @Test func kill() {
    let conversation = Conversation(["k", "qC"])
    #expect(conversation.replies == [])
    #expect(conversation.end == .killed)
  }

  @Test func killProcess() {
    let conversation = Conversation(["vKill;1", "qC"])
    #expect(conversation.replies == ["OK"])
    #expect(conversation.end == .killed)
    #expect(reply("vKill;") == "E16")
  }

  @Test func inExtendedModeTheClientMayStartAgain() {
    let target = FakeTarget()
    let position = hexText("2+1")
    let conversation = Conversation(["!", "c", "vKill;1", "vRun;;\(position)", "vRun;", "k"], target: target)
    #expect(conversation.replies.count == 5)
    #expect(conversation.replies[3].hasPrefix("T05thread:1;"))
    #expect(address(conversation.replies[4]) == FakeProgram.start)
    #expect(conversation.end == .killed)
    let afterKill = Conversation(["!", "vKill;1"])
    #expect(afterKill.end == .killed, "a client that leaves after killing has killed")
    let afterRun = Conversation(["!", "vKill;1", "vRun;"])
    #expect(afterRun.end == .closed)
  }

  @Test func runGoesToThePositionOfItsArgument() {
    let target = FakeTarget()
    _ = Conversation(["vRun;;\(hexText("2+1"))"], target: target)
    #expect(target.position == Position(ordinal: 2, instructions: 1))
    _ = Conversation(["vRun;\(hexText("vmlinux"));\(hexText("instruction"));\(hexText("9"))"], target: target)
    #expect(target.position == Position(ordinal: 1, instructions: 2))
    #expect(reply("vRun;;\(hexText("nowhere"))", target: target).hasPrefix("E.not a place: nowhere"))
    #expect(reply("vRun;;\(hexText("999"))", target: target) == "E.that is beyond the recording's end")
    #expect(reply("vRun;;zz", target: target) == "E16")
  }

  @Test func restart() {
    let target = FakeTarget()
    let conversation = Conversation(["c", "R00", "?"], target: target)
    #expect(conversation.replies.count == 2, "R has no answer")
    #expect(conversation.replies.last.flatMap(address) == FakeProgram.start)
    #expect(reply("R") == "E16")
  }

  @Test func theNextClientFindsTheMachineWhereTheLastLeftIt() {
    let target = FakeTarget()
    _ = Conversation(["s", "s", "Z0,1020,1", "D"], target: target)
    let replies = Conversation(["?", "c"], target: target).replies
    #expect(address(replies[0]) == FakeProgram.store)
    #expect(reason(replies[1]) == "replaylog:end", "breakpoints go with their client")
  }
}
