import Testing
import VMMCore

@testable import GDBStub

/// The reason at the end of a stop reply, after the expedited registers.
func reason(_ reply: String) -> String {
  let fields = reply.dropFirst(3).split(separator: ";").map(String.init)
  return fields.filter { !$0.hasPrefix("thread:") && !($0.count > 2 && $0.dropFirst(2).hasPrefix(":")) }
    .joined(separator: ";")
}

/// The program counter in a stop reply.
func address(_ reply: String) -> UInt64? {
  guard let field = reply.dropFirst(3).split(separator: ";").first(where: { $0.hasPrefix("10:") }) else { return nil }
  var reader = PacketReader(String(field.dropFirst(3)))
  return (try? reader.hexBytes()).map { $0.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
}

private let features = "qSupported:swbreak+;hwbreak+"

/// The last packet's stop after the others.
private func stop(_ packets: [String], target: FakeTarget = FakeTarget()) -> (reason: String, address: UInt64?) {
  let last = lastReply([features] + packets, target: target)
  return (reason(last), address(last))
}

@Suite struct ResumePacketTests {
  @Test func theFirstStop() {
    #expect(
      reply("?")
        == "T05thread:1;06:0080000000000000;07:0080000000000000;10:0010000000000000;11:02000000;"
        + "5a:00000000;5b:40000000;")
    #expect(address(reply("?")) == 0x1000)
  }

  @Test(arguments: ["s", "S05", "vCont;s", "vCont;s:1", "vCont;s:1;c", "vCont;S05:-1", "vCont;s:p1.1;c:p1.-1"])
  func steps(_ packet: String) {
    let target = FakeTarget()
    let reply = reply(packet, target: target)
    #expect(reply.hasPrefix("T05thread:1;"))
    #expect(reason(reply) == "")
    #expect(address(reply) == FakeProgram.loop)
    #expect(target.position == Position(ordinal: 0, instructions: 1))
  }

  @Test(arguments: ["c", "C05", "vCont;c", "vCont;c:-1", "vCont;C0b:1"])
  func continues(_ packet: String) {
    let target = FakeTarget()
    let reply = reply(packet, target: target)
    #expect(reason(reply) == "replaylog:end")
    #expect(address(reply) == FakeProgram.end)
    #expect(target.position == target.recording.end)
  }

  /// Why the replay goes no further is told before the stop, on the console.
  @Test(arguments: ["c", "bc", "qRcmd,7365656b20656e64"]) func goesNoFurther(_ packet: String) {
    final class Diverging: MinimalTarget {
      override func resume(_ request: ResumeRequest, control: any ResumeControl) -> StopReport { report }
      override func seek(_ destination: Destination, control: any ResumeControl) -> StopReport { report }
      private let report = StopReport.noFurther(["diverged", "  here"])
    }
    let replies = Conversation([packet, "c", "?"], target: Diverging()).replies.suffix(3)
    #expect(replies.first.map { text(String($0.dropFirst())) } == "chronovisor: diverged\n  here\n")
    #expect(replies.dropFirst().map { reason($0) } == ["replaylog:end", "replaylog:end"])
  }

  /// A step that goes nowhere is one: gdb never resumes anything after a step over a breakpoint that ends with the
  /// recording. One with the breakpoint in place is none of these, and who steps without end is told in the end.
  @Test func aStepAtTheEdge() {
    func last(_ packets: [String]) -> String {
      Conversation([features] + packets, target: FakeTarget()).replies.last ?? ""
    }
    let told = Conversation([features, "c", "s"], target: FakeTarget()).replies.suffix(2)
    #expect(told.first.map { text(String($0.dropFirst())) } == "\nNo more reverse-execution history.\n")
    #expect(reason(last(["c", "s"])) == "" && address(last(["c", "s"])) == FakeProgram.end)
    #expect(reason(last(["bs"])) == "" && address(last(["bs"])) == FakeProgram.start)
    let here = String(FakeProgram.end, radix: 16)
    #expect(reason(last(["c", "Z0,\(here),1", "s"])) == "replaylog:end")
    for (count, expected) in [(1000, ""), (1001, "replaylog:end"), (1002, "")] {
      #expect(reason(last(["c"] + [String](repeating: "s", count: count))) == expected)
    }
  }

  /// Between the steps of many the machine is stopped: an interrupt there must not be lost.
  @Test func anInterruptWhileStoppedEndsTheNextRun() {
    let target = FakeTarget()
    let packets = ["s", "", "s", "s"].map { $0.isEmpty ? [3] : Array($0.utf8).framed }
    let replies = Conversation(frames: packets, target: target).replies
    #expect(replies.map { $0.prefix(3) } == ["T05", "T02", "T05"])
    #expect(address(replies[0]) == address(replies[1]))
    #expect(target.position == Position(ordinal: 0, instructions: 2))
  }

  /// gdb moves over a breakpoint that it takes for a permanent one: it reads INT3 in memory that Linux has freed.
  @Test func aBreakpointThatGDBMovesOver() {
    let atBreakpoint = ["Z0,1020,1", "c"]
    let target = FakeTarget()
    let over = Conversation(atBreakpoint + ["P10=2110000000000000", "c"], target: target).replies
    #expect(over[2] == "OK")
    #expect(reason(over[3]) == "swbreak:" || over[3].hasPrefix("T05"))
    #expect(address(over[3]) == 0x1020, "the next time round")
    let step = Conversation([features] + atBreakpoint + ["P10=2110000000000000", "Z0,1021,1", "c"]).replies
    #expect(step.last.map(reason) == "")
    #expect(step.last.flatMap(address) != 0x1020)
    #expect(Conversation(["P10=0110000000000000"]).replies[0].hasPrefix("E.this is a replay"))
    #expect(Conversation(atBreakpoint + ["P10=2210000000000000"]).replies[2].hasPrefix("E.this is a replay"))
  }

  @Test func aMonitorCommandForgetsTheInterrupt() {
    let packets = [[3], Array("qRcmd,7768656e".utf8).framed, Array("s".utf8).framed]
    #expect(Conversation(frames: packets).replies.last?.hasPrefix("T05") == true)
  }

  @Test func theLastStopIsToldAgain() {
    let replies = Conversation(["c", "?"]).replies
    #expect(replies[0] == replies[1])
  }

  @Test func ranges() {
    #expect(stop(["vCont;r1000,100d:1;c"]).address == FakeProgram.call)
    #expect(stop(["vCont;r0,0"]).address == FakeProgram.loop, "one instruction at least")
    #expect(stop(["Z0,1005,1", "vCont;r1000,100d"]).reason == "swbreak:")
  }

  @Test func actionsOnOffer() {
    #expect(reply("vCont?") == "vCont;c;C;s;S;r")
  }

  @Test(arguments: [
    "vCont;", "vCont;x", "vCont;s:", "vCont;s;", "vCont;C", "vCont;r1000", "vCont;r1000,", "vCont;s:1x", "C", "S",
    "Cxx",
    "cx", "sx", "C05;", "C05x", "vCont;t",
  ])
  func malformed(_ packet: String) {
    let target = FakeTarget()
    #expect(reply(packet, target: target) == "E16")
    #expect(target.position == .begin)
  }

  @Test func otherThreadsAreNotThere() {
    #expect(reply("vCont;s:2") == "E02")
  }

  @Test func resumingElsewhereIsAChange() throws {
    let target = FakeTarget()
    #expect(reply("c2000", target: target).hasPrefix("E.this is a replay"))
    #expect(address(reply("s1000", target: target)) == FakeProgram.loop)
    try target.beginDiversion()
    #expect(address(reply("S05;1020", target: target)) == 0x1028)
  }

  @Test func backwards() {
    #expect(address(lastReply(["s", "s", "s", "bs"])) == FakeProgram.store)
    let first = stop(["s", "s", "bc"])
    #expect(first.reason == "replaylog:begin")
    #expect(first.address == FakeProgram.start)
  }

  @Test func everyStepBackLandsOnTheSameState() {
    let target = FakeTarget()
    let packets = Array(repeating: "s", count: 80) + Array(repeating: "bs", count: 80)
    let replies = Conversation(["?"] + packets, target: target).replies
    #expect(replies.count == 161)
    for index in 0..<80 { #expect(replies[index] == replies[160 - index]) }
  }

  @Test func errorsOfTheTargetAreShown() {
    let target = FakeTarget()
    target.failure = TargetError("the trace is damaged at event 7 (#3)")
    #expect(reply("c", target: target) == "E.the trace is damaged at event 7 (?3)")
  }

  @Test func theFirstStopIn64BitCodeOfANarrowSessionSaysSo() {
    let replies = Conversation(["s", "s"], architecture: .i8086).replies
    #expect(replies.count == 3)
    #expect(text(String(replies[0].dropFirst())).hasPrefix("chronovisor: the guest runs 64-bit code now"))
    #expect(Conversation(["s"], architecture: .x64).replies.count == 1)
  }

  @Test func aMachineThatIsGone() {
    final class Gone: MinimalTarget {
      override func resume(_ request: ResumeRequest, control: any ResumeControl) throws(TargetError) -> StopReport {
        .exited(3)
      }
    }
    #expect(reply("c", target: Gone()) == "W03")
  }
}

@Suite struct InterruptTests {
  @Test func anInterruptStopsARun() {
    let target = FakeTarget(code: FakeProgram.endless)
    let frames = [Array("c".utf8).framed, [3], Array("qC".utf8).framed]
    let replies = Conversation(frames: frames, target: target, pollsBeforeChunk: 50).replies
    #expect(replies.count == 2)
    #expect(replies[0].hasPrefix("T02thread:1;"))
    #expect(replies[1] == "QC1")
  }

  /// Four looks a second at a run of fifty: a line each second, until the client wants none.
  @Test func aLongRunTellsHowItGetsOn() {
    func console(_ frames: [[UInt8]]) -> [String] {
      var time: UInt64 = 0
      let replies = Conversation(
        frames: frames, target: FakeTarget(code: FakeProgram.endless), pollsBeforeChunk: 50,
        clock: {
          time += 250_000_000
          return time
        }
      ).replies
      #expect(replies.last?.hasPrefix("T02thread:1;") == true, "\(replies)")
      return replies.dropLast().map { reply in
        let bytes = Array(reply.dropFirst().utf8)
        return String(
          decoding: stride(from: 0, to: bytes.count - 1, by: 2).map { index in
            UInt8(String(decoding: bytes[index...(index + 1)], as: UTF8.self), radix: 16) ?? 0
          }, as: UTF8.self)
      }
    }
    let lines = console([Array("c".utf8).framed, [3]])
    #expect(lines.count == 12, "\(lines)")
    #expect(
      lines.allSatisfy {
        $0.hasPrefix("chronovisor: 0 million instructions gone through, 0 million a second, at position 0")
      }, "\(lines)")
    let off = "qRcmd," + "progress off".utf8.map { String($0, radix: 16) }.joined()
    #expect(console([Array(off.utf8).framed + Array("c".utf8).framed, [3]]).count == 1)
  }

  @Test func anInterruptRightBehindThePacket() {
    let target = FakeTarget(code: FakeProgram.endless)
    let replies = Conversation(frames: [Array("c".utf8).framed + [3]], target: target).replies
    #expect(replies.map { $0.prefix(3) } == ["T02"])
  }

  @Test func packetsThatComeDuringARunWait() {
    let target = FakeTarget(code: FakeProgram.endless)
    let frames = [Array("c".utf8).framed, Array("qC".utf8).framed + Array("qAttached".utf8).framed, [3]]
    let replies = Conversation(frames: frames, target: target, pollsBeforeChunk: 3).replies
    #expect(replies.map { $0.prefix(3) } == ["T02", "QC1", "1"])
  }

  @Test func aClientThatLeavesEndsTheRun() {
    let target = FakeTarget(code: FakeProgram.endless)
    let conversation = Conversation(frames: [Array("c".utf8).framed], target: target, pollsBeforeChunk: 5)
    #expect(conversation.end == .closed)
    #expect(conversation.replies == [])
  }

  @Test func aFloodDuringARunEndsTheSession() {
    let target = FakeTarget(code: FakeProgram.endless)
    let flood = Array(repeating: Array("qC".utf8).framed, count: 10_000)
    let conversation = Conversation(frames: [Array("c".utf8).framed] + flood, target: target, pollsBeforeChunk: 0)
    #expect(conversation.end == .closed)
    #expect(conversation.replies.count <= 1)
  }
}
