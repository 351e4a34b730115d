import Testing

@testable import GDBStub

/// A sleeping task's registers instead of the machine's.
@Suite struct SleepingTaskTests {
  private func monitor(_ command: String) -> String { "qRcmd," + hexText(command) }

  private func registers(_ packets: [String]) -> String { lastReply(packets + ["g"]) }

  @Test func untilTheMachineMoves() {
    let own = reply("g")
    let task = monitor("task rip=0x1212343456567878 rsp=0x1000 rbx=0x42")
    let shown = registers([task])
    #expect(shown != own)
    #expect(shown.contains("7878565634341212"))
    #expect(registers([task, monitor("task")]) == own)
    let stepped = registers(["s"])
    #expect(registers([task, "s"]) == stepped)
    #expect(!stepped.contains("7878565634341212"))
  }

  @Test func nothingCanBeChanged() {
    let task = monitor("task rip=0x1000 rsp=0x1000")
    let begin = monitor("diversion begin")
    #expect(Conversation([begin, "M2000,1:41"]).replies.last == "OK")
    for write in ["M2000,1:41", "P0=0000000000000000", "G00"] {
      #expect(Conversation([begin, task, write]).replies.last?.hasPrefix("E.a task that does not run") == true)
    }
  }

  @Test(arguments: ["rip=0x10", "rip=0x10 rsp=10", "rip=0x10 rsp=0x1 rsp=0x2", "rip=0x1 rsp=0x1 foo=0x1", "x", "="])
  func malformed(_ words: String) {
    #expect(Conversation([monitor("task " + words)]).replies.last == "E01")
  }
}
