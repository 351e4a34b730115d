import Testing

@testable import GDBStub

@Suite struct HandshakeTests {
  @Test func supportedNamesEveryFeature() {
    let features = Set(
      reply("qSupported:multiprocess+;swbreak+;xmlRegisters=i386").split(separator: ";").map(String.init))
    #expect(
      features == [
        "PacketSize=100000", "QStartNoAckMode+", "qXfer:features:read+", "ReverseStep+",
        "ReverseContinue+", "swbreak+",
        "hwbreak+", "vContSupported+", "ConditionalBreakpoints+", "BreakpointCommands+",
      ])
    #expect(reply("qSupported").hasPrefix("PacketSize="))
  }

  @Test(arguments: [
    "", "QNonStop:1", "qXfer:memory-map:read::0,1000", "qXfer:auxv:read::0,10", "qXfer:threads:read::0,1000",
    "vFile:stat:00", "vMustReplyEmpty",
    "qTStatus",
    "qSymbol::", "qOffsets", "x0,10", "jThreadsInfo", "qRegisterInfo0", "QThreadSuffixSupported",
    "QListThreadsInStopReply", "qMemoryRegionInfo:0", "qCfoo", "gg", "?x", "QStartNoAckModeX", "\u{1}", "vAttach;1",
    "qL1200000000000000000", "\u{fffd}",
  ])
  func unknownPacketsGetTheEmptyReply(_ packet: String) {
    #expect(reply(packet) == "")
  }

  @Test func acknowledgements() {
    let transport = MemoryTransport([Array("$qC#b4".utf8), Array("$qC#00".utf8), Array("-".utf8), Array("+".utf8)])
    #expect(Session(target: FakeTarget(), transport: transport).run() == .closed)
    #expect(String(decoding: transport.sent, as: UTF8.self) == "+$QC1#c5-$QC1#c5")
  }

  @Test func noAcknowledgementsFromTheAnswerToQStartNoAckModeOn() {
    let transport = MemoryTransport([
      Array("$QStartNoAckMode#b0".utf8), Array("+".utf8), Array("$qC#b4".utf8), Array("$qC#00".utf8), Array("-".utf8),
    ])
    _ = Session(target: FakeTarget(), transport: transport).run()
    #expect(String(decoding: transport.sent, as: UTF8.self) == "+$OK#9a$QC1#c5$QC1#c5")
  }

  @Test func halfPackets() {
    let transport = MemoryTransport(Array("$QStartNoAckMode#b0+$qC#b4".utf8).map { [$0] })
    _ = Session(target: FakeTarget(), transport: transport).run()
    #expect(String(decoding: transport.sent, as: UTF8.self) == "+$OK#9a$QC1#c5")
  }

  @Test func aRejectedAnswerIsSentAgainOnlyIfThereIsOne() {
    let transport = MemoryTransport([Array("---".utf8)])
    _ = Session(target: FakeTarget(), transport: transport).run()
    #expect(transport.sent.isEmpty)
  }

  @Test func aBrokenConnectionEndsTheSession() {
    let transport = MemoryTransport([Array("$qC#b4$g#67$g#67".utf8)])
    transport.isBroken = true
    #expect(Session(target: FakeTarget(), transport: transport).run() == .closed)
    #expect(transport.sent == Array("+".utf8))
  }

  @Test func oversizedPacketsGetAnError() {
    let huge = [UInt8](repeating: UInt8(ascii: "m"), count: PacketParser.maximumPayload + 10).framed
    #expect(Conversation(frames: [huge, Array("qC".utf8).framed]).replies == ["E07", "QC1"])
  }

  @Test func hostAndProcessForLLDB() {
    let triple = hexText("x86_64-unknown-unknown")
    #expect(reply("qHostInfo") == "triple:\(triple);endian:little;ptrsize:8;")
    #expect(reply("qProcessInfo") == "pid:1;parent-pid:0;triple:\(triple);endian:little;ptrsize:8;")
    #expect(reply("qHostInfo", architecture: .i386).hasSuffix("ptrsize:4;"))
  }

  @Test func threads() {
    #expect(reply("qC") == "QC1")
    #expect(reply("qAttached") == "1")
    #expect(reply("qAttached:1") == "1")
    #expect(Conversation(["qfThreadInfo", "qsThreadInfo"]).replies == ["m1", "l"])
    #expect(text(reply("qThreadExtraInfo,1")) == "CPU 0 [ring 0] at 0")
    #expect(reply("qThreadExtraInfo,2") == "E02")
    #expect(reply("qThreadExtraInfo,") == "E16")
  }

  @Test(arguments: ["Hg0", "Hg1", "Hg-1", "Hc-1", "Hc0", "Hgp1.1", "Hgp0.0", "Hcp1.-1", "Hgp1", "T1", "Tp1.1"])
  func threadsThatAreThere(_ packet: String) {
    #expect(reply(packet) == "OK")
  }

  @Test(arguments: [
    ("Hg2", "E02"), ("T2", "E02"), ("Hg", "E16"), ("H", "E16"), ("Hx1", "E16"), ("Hg1x", "E16"), ("T", "E16"),
    ("Hg-2", "E02"),
  ])
  func threadsThatAreNot(_ packet: String, _ error: String) {
    #expect(reply(packet) == error)
  }
}
