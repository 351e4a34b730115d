import Devices
import Testing

@Suite struct CMOSTests {
  @Test func ramHoldsItsBytes() {
    let bench = RTCBench()
    for register in UInt8(0x40)..<0x5b { bench[register] = register ^ 0x5a }
    for register in UInt8(0x40)..<0x5b { #expect(bench[register] == register ^ 0x5a) }
  }

  @Test func statusRegistersCannotBeWritten() {
    let bench = RTCBench()
    bench[12] = 0xff
    bench[13] = 0x00
    bench[10] = 0xa6
    #expect(bench[12] == 0x00)
    #expect(bench[13] == 0x80, "the battery is good")
    #expect(bench[10] == 0x26, "UIP is for reading only")
  }

  @Test func indexPortReadsAllOnesAndMasksNMIs() {
    let bench = RTCBench()
    #expect(!bench.rtc.masksNMI)
    bench.rtc.writeByte(offset: 0, value: 0x8d, now: 0)
    #expect(bench.rtc.masksNMI)
    #expect(bench.rtc.readByte(offset: 0, now: 0) == 0xff)
    #expect(bench.rtc.readByte(offset: 1, now: 0) == 0x80, "the index is in bits 6:0")
  }

  @Test(
    arguments: [
      (UInt64(512 << 10), [512, 0, 0, 0]), (64 << 20, [640, 63 << 10, (48 << 20) >> 16, 0]),
      (6 << 30, [640, 0xffff, ((4 << 30) - (16 << 20)) >> 16, (2 << 30) >> 16]),
    ] as [(UInt64, [Int])])
  func memorySizes(size: UInt64, expected: [Int]) {
    let bench = RTCBench(memorySize: size)
    func word(_ low: UInt8) -> Int { Int(bench[low]) | Int(bench[low + 1]) << 8 }
    #expect([word(0x15), word(0x17), word(0x34), word(0x5b)] == expected)
    #expect(word(0x30) == word(0x17))
  }
}
