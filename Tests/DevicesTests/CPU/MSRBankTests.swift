import Devices
import Support
import Testing

@Suite struct MSRBankTests {
  @Test func timestampCountsNanoseconds() {
    let bank = MSRBank()
    #expect(bank.read(0x10, now: 12345) == 12345)
    #expect(bank.write(0x10, value: 1_000_000, now: 500))
    #expect(bank.read(0x10, now: 500) == 1_000_000)
    #expect(bank.timestamp(now: 600) == 1_000_100)
    #expect(bank.write(0x10, value: 0, now: .max))
    #expect(bank.read(0x10, now: .max) == 0)
  }

  @Test(arguments: [
    UInt32(0x8b), 0x17, 0x2a, 0x179, 0x17a, 0x17b, 0xc001_0000, 0xc001_0003, 0xc001_0004, 0xc001_0007, 0xc001_0022,
    0xc001_0030, 0xc001_0061, 0xc001_0071, 0xc001_0074, 0xc001_0112, 0xc001_0113, 0xc001_0114, 0xc001_001f, 0xc001_1020,
    0xc001_102c,
  ])
  func theseReadZeroWhateverIsWritten(index: UInt32) {
    let bank = MSRBank()
    #expect(bank.read(index, now: 0) == 0)
    #expect(bank.write(index, value: 0x1234, now: 0))
    #expect(bank.read(index, now: 0) == 0)
  }

  @Test(arguments: [UInt32(0x1a0), 0x1d9, 0xc001_0010, 0xc001_0015, 0xc001_0016, 0xc001_001a, 0xc001_001d, 0xc001_1029])
  func theseHoldWhatIsWritten(index: UInt32) {
    let bank = MSRBank()
    #expect(bank.write(index, value: 0x2, now: 0))
    #expect(bank.read(index, now: 0) == 0x2)
  }

  @Test(arguments: [UInt32(0x2), 0x3a, 0x48, 0x186, 0x38f, 0x400, 0x4000_0000, 0x4b56_4d00, 0xc000_0080, .max])
  func everythingElseFaults(index: UInt32) {
    let bank = MSRBank()
    #expect(bank.read(index, now: 0) == nil)
    #expect(!bank.write(index, value: 0, now: 0))
  }

  @Test func reservedBitsFault() {
    #expect(!MSRBank().write(0x1d9, value: 0x8000, now: 0))
  }

  /// Intel SDM vol. 3, 12.11.
  @Test func memoryTypeRanges() {
    let bank = MSRBank()
    #expect(bank.read(0xfe, now: 0) == 0x508)
    #expect(!bank.write(0xfe, value: 0, now: 0))
    #expect(bank.read(0x2ff, now: 0) == 0xc06)
    #expect(bank.write(0x2ff, value: 0x800, now: 0))
    #expect(!bank.write(0x2ff, value: 0x802, now: 0), "type 2 is reserved")
    #expect(!bank.write(0x2ff, value: 0x1800, now: 0))
    for pair in UInt32(0)..<8 {
      #expect(bank.write(0x200 + 2 * pair, value: 0x1_0000_0006 + UInt64(pair) << 12, now: 0))
      #expect(bank.write(0x201 + 2 * pair, value: 0xf_ff00_0800, now: 0))
      #expect(bank.read(0x200 + 2 * pair, now: 0) == 0x1_0000_0006 + UInt64(pair) << 12)
      #expect(bank.read(0x201 + 2 * pair, now: 0) == 0xf_ff00_0800)
    }
    #expect(!bank.write(0x200, value: 0x7, now: 0))
    #expect(!bank.write(0x201, value: 0x400, now: 0))
    #expect(bank.read(0x210, now: 0) == nil, "there are eight")
    for index in [0x250, 0x258, 0x259, 0x268, 0x26f] as [UInt32] {
      #expect(bank.write(index, value: 0x0605_0401_0000_0606, now: 0))
      #expect(bank.read(index, now: 0) == 0x0605_0401_0000_0606)
      #expect(!bank.write(index, value: 0x0303, now: 0))
    }
    #expect(bank.read(0x251, now: 0) == nil)
  }

  @Test func everyAnswerIsDefinedAndStatesRestore() {
    let bank = MSRBank()
    var generator = SeededRandom(seed: 5)
    for _ in 0..<20_000 {
      let index = [0, 0x170, 0x1c0, 0x200, 0xc001_0000, 0xc001_1000][Int(generator.next() % 6)]
      _ = bank.write(
        UInt32(index) + UInt32(generator.next() % 0x120), value: generator.next() & generator.next(), now: 7)
    }
    let twin = MSRBank()
    #expect(twin.snapshot() != bank.snapshot())
    #expect(twin.restore(encoded: bank.encodedState()))
    #expect(twin.snapshot() == bank.snapshot())
    #expect(!twin.restore(encoded: [1, 2, 3]))
    for index in UInt32(0)..<0x300 { #expect(twin.read(index, now: 9) == bank.read(index, now: 9)) }
  }
}
