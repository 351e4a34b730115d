import Testing

@testable import GDBStub

@Suite struct MemoryPacketTests {
  @Test func reads() {
    #expect(reply("m1000,8") == "31c048ffc0488904")
    #expect(reply("m1000,0") == "")
    #expect(reply("mfffe,8") == "0000", "what is readable")
  }

  @Test(arguments: [
    ("m10000,1", "E0e"), ("mffffffffffffffff,ffffffffffffffff", "E0e"), ("m", "E16"), ("m1000", "E16"),
    ("m1000,", "E16"), ("m1000,8x", "E16"), ("m10000000000000000,1", "E16"), ("mxyz,1", "E16"),
  ])
  func readsThatFail(_ packet: String, _ error: String) {
    #expect(reply(packet) == error)
  }

  @Test func aReadIsBounded() {
    #expect(reply("m0,ffffffffffffffff").count == 2 * 0x1_0000)
  }

  @Test func writesAreRefusedWithAReason() {
    let target = FakeTarget()
    let before = target.cpu
    #expect(reply("M2000,1:ff", target: target).hasPrefix("E.this is a replay"))
    #expect(reply("X2000,1:a", target: target).hasPrefix("E.this is a replay"))
    #expect(target.cpu == before)
    #expect(reply("X2000,0:", target: target) == "OK", "the probe for X")
  }

  @Test func writesInADiversion() throws {
    let target = FakeTarget()
    try target.beginDiversion()
    let replies = Conversation(["M2000,2:abcd", "m2000,3", "X2001,4:a}\u{3}}\u{5d}b", "m2000,6"], target: target)
      .replies
    #expect(replies == ["OK", "abcd00", "OK", "ab61237d6200"])
  }

  @Test(arguments: [
    "M2000,2:ab", "M2000,1:abcd", "M2000,1", "M2000", "M2000,1:g0", "X2000,2:a", "X2000,1:ab", "X2000,1:}", "X2000,1",
  ])
  func malformedWrites(_ packet: String) throws {
    let target = FakeTarget()
    try target.beginDiversion()
    #expect(reply(packet, target: target) == "E16")
  }

  @Test func writesOutsideMemory() throws {
    let target = FakeTarget()
    try target.beginDiversion()
    #expect(reply("Mffff,2:abcd", target: target) == "E.there is no memory at 0xffff")
    #expect(reply("M0,100001:ab") == "E07")
  }

  @Test func physicalAddresses() {
    let replies = Conversation([
      "qqemu.PhyMemMode", "m11000,2", "Qqemu.PhyMemMode:1", "qqemu.PhyMemMode", "m11000,2", "m1000,2",
      "Qqemu.PhyMemMode:0", "m1000,2", "Qqemu.PhyMemMode:2", "Qqemu.PhyMemMode:",
    ]).replies
    #expect(replies == ["0", "E0e", "OK", "1", "31c0", "E0e", "OK", "31c0", "E16", "E16"])
  }

  @Test func physicalWrites() throws {
    let target = FakeTarget()
    try target.beginDiversion()
    #expect(
      Conversation(["Qqemu.PhyMemMode:1", "M12000,1:55", "m12000,1"], target: target).replies == ["OK", "OK", "55"])
  }

  @Test func searches() {
    #expect(reply("qSearch:memory:1000;100;\u{e8}") == "0", "no: the pattern is two bytes in UTF-8")
    #expect(reply("qSearch:memory:1000;100;H\u{1}") == "1,1028")
    #expect(reply("qSearch:memory:1000;29;H\u{1}") == "0", "the pattern must fit")
    #expect(reply("qSearch:memory:1000;2a;H\u{1}") == "1,1028")
    #expect(reply("qSearch:memory:0;10000;nowhere") == "0")
    #expect(reply("qSearch:memory:fff0;100;nowhere") == "E0e")
    #expect(reply("qSearch:memory:1000;0;a") == "0")
  }

  @Test(arguments: [
    "qSearch:memory:1000;100;", "qSearch:memory:1000;100", "qSearch:memory:", "qSearch:memory:1000;100;}",
  ])
  func malformedSearches(_ packet: String) {
    #expect(reply(packet) == "E16")
  }

  @Test func searchesAcrossChunks() {
    let target = BigMemory()
    let pattern = "needle"
    for place in [0, 65530, 65535, 65536, 131_068, 200_000] {
      target.memory = [UInt8](repeating: 0x2d, count: 300_000)
      target.memory.replaceSubrange(place..<(place + 6), with: Array(pattern.utf8))
      #expect(
        reply("qSearch:memory:0;\(String(300_000, radix: 16));\(pattern)", target: target)
          == "1,\(String(place, radix: 16))")
    }
  }

  @Test func anInterruptEndsASearch() {
    let target = BigMemory()
    target.memory = [UInt8](repeating: 0, count: 300_000)
    let frames = [Array("qSearch:memory:0;493e0;x".utf8).framed + [3]]
    #expect(Conversation(frames: frames, target: target).replies == ["E.interrupted"])
  }

  /// The values come from gdb 13's own libiberty (xcrc32) by way of `compare-sections`.
  @Test func checksums() {
    var crc = CRC32()
    for byte in Array("123456789".utf8) { crc.fold(byte) }
    #expect(crc.value == 0x0376_e6e7, "CRC-32/MPEG-2's check value")
    #expect(reply("qCRC:1000,0") == "Cffffffff")
    #expect(reply("qCRC:10000,1") == "E0e")
    #expect(reply("qCRC:1000") == "E16")
  }
}

/// Memory of any size, and nothing else.
private final class BigMemory: MinimalTarget {
  var memory: [UInt8] = []
  override func readMemory(at address: UInt64, count: Int) -> [UInt8] {
    address < UInt64(memory.count) ? Array(memory[Int(address)...].prefix(count)) : []
  }
}
