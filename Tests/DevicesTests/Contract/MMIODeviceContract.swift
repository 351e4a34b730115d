import Devices
import Testing

/// What every device on the MMIO bus promises beyond `PortDeviceContract`.
@Suite struct MMIODeviceContract {
  private func check(_ device: some MMIODevice) {
    let offsets = Array(UInt64(0)..<0x440) + [0xff0, 0xfff, 0x1000, .max - 8, .max - 1, .max]
    for size in UInt8(1)...8 {
      for offset in offsets {
        let value = device.read(offset: offset, size: size, now: 0)
        #expect(size == 8 || value < 1 << (8 * UInt64(size)))
        for pattern in [0, UInt64.max, 0x55aa_33cc_0ff0_1234] {
          device.write(offset: offset, size: size, value: pattern, now: 0)
        }
      }
    }
  }

  @Test func everyAccessToTheLocalAPICIsDefined() { check(LocalAPIC(nmi: {}, endOfInterrupt: { _ in })) }
  @Test func everyAccessToTheIOAPICIsDefined() { check(IOAPIC(send: { _ in true })) }

  @Test func readsOfOtherSizesShowPartsOfTheWord() {
    let apic = LocalAPIC(nmi: {}, endOfInterrupt: { _ in })
    #expect(apic.read(offset: 0x30, size: 4, now: 0) == 0x0005_0014)
    #expect(apic.read(offset: 0x30, size: 1, now: 0) == 0x14)
    #expect(apic.read(offset: 0x32, size: 2, now: 0) == 0x0005)
    #expect(apic.read(offset: 0x30, size: 8, now: 0) == 0x0005_0014)
    #expect(apic.read(offset: 0x2f, size: 3, now: 0) == 0x00_1400)
  }
}
