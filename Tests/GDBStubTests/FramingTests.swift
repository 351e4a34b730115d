import Testing

@testable import GDBStub

@Suite struct FramingTests {
  private func events(_ text: String, verifies: Bool = true) -> [ClientEvent] {
    var parser = PacketParser()
    parser.verifiesChecksums = verifies
    return Array(text.utf8).compactMap { parser.take($0) }
  }

  @Test func packetsAcknowledgementsAndInterrupts() {
    #expect(
      events("+-\u{3}$g#67$m0,4#fd")
        == [.acknowledged, .rejected, .interrupt, .packet(Array("g".utf8)), .packet(Array("m0,4".utf8))])
  }

  @Test func anInterruptByteInsideAPacketIsData() {
    #expect(events("$X\u{3}#5b") == [.packet([UInt8(ascii: "X"), 3])])
  }

  @Test func wrongChecksums() {
    #expect(events("$g#68") == [.damaged])
    #expect(events("$g#zz") == [.damaged])
    #expect(events("$g#00", verifies: false) == [.packet([UInt8(ascii: "g")])])
    #expect(events("$g#67") == [.packet([UInt8(ascii: "g")])])
    #expect(events("$zz#F4") == [.packet(Array("zz".utf8))], "digits in either case")
  }

  @Test func rubbishBetweenPacketsIsSkipped() {
    #expect(events("hello\r\n$g#67 #12") == [.packet([UInt8(ascii: "g")])])
  }

  @Test func aPacketThatWasCutOffGivesWayToTheNext() {
    #expect(events("$m0,$g#67") == [.packet([UInt8(ascii: "g")])])
  }

  @Test func emptyPacket() {
    #expect(events("$#00") == [.packet([])])
  }

  @Test func oversizedPacketsAreSkippedWhole() {
    var parser = PacketParser()
    var events: [ClientEvent] = []
    let frame =
      [UInt8](repeating: UInt8(ascii: "a"), count: PacketParser.maximumPayload + 1).framed + Array("$g#67".utf8)
    for byte in frame {
      if let event = parser.take(byte) { events.append(event) }
    }
    #expect(events == [.oversized, .packet([UInt8(ascii: "g")])])
  }

  @Test func theLargestPacketIsTaken() {
    var parser = PacketParser()
    let payload = [UInt8](repeating: UInt8(ascii: "a"), count: PacketParser.maximumPayload)
    let events = payload.framed.compactMap { parser.take($0) }
    #expect(events == [.packet(payload)])
  }

  @Test func framesHaveTheManualsChecksum() {
    #expect(Array("OK".utf8).framed == Array("$OK#9a".utf8))
    #expect([UInt8]().framed == Array("$#00".utf8))
  }

  @Test func escapes() {
    let data: [UInt8] = [0x23, 0x24, 0x7d, 0x2a, 0x41, 0, 0xff]
    #expect(data.escaped == [0x7d, 0x03, 0x7d, 0x04, 0x7d, 0x5d, 0x7d, 0x0a, 0x41, 0, 0xff])
    #expect(data.escaped.unescaped == data)
    #expect([UInt8(0x41), 0x7d].unescaped == nil, "an escape needs a byte after it")
    let all = (0...255).map { UInt8($0) }
    #expect(all.escaped.unescaped == all)
  }

  @Test func readerTakesNumbersAndBytes() throws {
    var reader = PacketReader("1f,ABcd;rest")
    #expect(try reader.number() == 0x1f)
    try reader.expect(",")
    #expect(try reader.hexBytes(count: 2) == [0xab, 0xcd])
    #expect(throws: PacketError.malformed) { try reader.expect(",") }
    try reader.expect(";")
    let rest = reader.text(until: "!")
    #expect(rest == "rest")
    #expect(reader.isAtEnd)
    try reader.expectEnd()
  }

  @Test(arguments: ["", "g", ",1", "10000000000000000", "-1"])
  func notANumber(_ text: String) {
    var reader = PacketReader(text)
    #expect(throws: PacketError.malformed) { try reader.number() }
  }

  @Test func numbersUpToSixtyFourBits() throws {
    var reader = PacketReader("ffffffffffffffff")
    #expect(try reader.number() == .max)
    var padded = PacketReader("000000000000000000001")
    #expect(try padded.number() == 1)
    var long = PacketReader("101")
    #expect(throws: PacketError.tooMuch) { try long.length(limit: 0x100) }
  }

  @Test(arguments: ["0", "0g", "012"])
  func notHexBytes(_ text: String) {
    var reader = PacketReader(text)
    #expect(throws: PacketError.malformed) { try reader.hexBytes() }
  }
}
