import Devices
import Testing

/// Intel MultiProcessor Specification 1.4, chapter 4.
@Suite struct MPTableTests {
  private let memory = TableReader(
    base: 0xf_0000, bytes: MPTable.make(at: 0xf_0000, signature: 0x0080_0f12, features: 0x0781_abfd))

  @Test func floatingPointer() {
    #expect(memory.text(0xf_0000, 4) == "_MP_")
    #expect(memory.u8(0xf_0008) == 1)
    #expect(memory.u8(0xf_0009) == 4)
    #expect(memory.sum(0xf_0000, 16) == 0)
    #expect(memory.u8(0xf_000b) == 0, "no default configuration: there is a table")
  }

  @Test func headerAndEntries() {
    let table = memory.u32(0xf_0004)
    #expect(memory.text(table, 4) == "PCMP")
    let length = UInt32(memory.u16(table + 4))
    #expect(memory.sum(table, Int(length)) == 0)
    #expect(memory.u32(table + 36) == 0xfee0_0000)
    var counts: [UInt8: Int] = [:]
    var place = table + 44
    while place < table + length {
      counts[memory.u8(place), default: 0] += 1
      place += memory.u8(place) == 0 ? 20 : 8
    }
    #expect(place == table + length)
    #expect(counts == [0: 1, 1: 1, 2: 1, 3: 16, 4: 2])
    #expect(Int(memory.u16(table + 34)) == 21)
  }

  @Test func processorBusAndIOAPIC() {
    let entries = memory.u32(0xf_0004) + 44
    #expect(memory.u8(entries + 3) == 3, "enabled, boot processor")
    #expect(memory.u32(entries + 4) == 0x0080_0f12)
    #expect(memory.u32(entries + 8) == 0x0781_abfd)
    #expect(memory.text(entries + 22, 6) == "ISA   ")
    #expect(memory.u8(entries + 29) == IOAPIC.standardID)
    #expect(memory.u32(entries + 32) == 0xfec0_0000)
  }

  @Test func theTimerIsAtPinTwoAndTheSCIIsALevel() {
    let interrupts = memory.u32(0xf_0004) + 44 + 36
    var pins: [UInt8: UInt8] = [:]
    for index in UInt32(0)..<16 where memory.u8(interrupts + 8 * index + 1) == 0 {
      let entry = interrupts + 8 * index
      pins[memory.u8(entry + 5)] = memory.u8(entry + 7)
      #expect(memory.u16(entry + 2) == (memory.u8(entry + 5) == 9 ? 0xd : 0))
    }
    #expect(pins.count == 15)
    #expect(pins[0] == 2)
    #expect(pins[2] == nil)
    #expect(pins[14] == 14)
  }
}
