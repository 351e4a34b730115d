import Devices
import Testing

@Suite struct InterruptControllersTests {
  private let controllers = InterruptControllers(nmi: {})

  private func apic(_ offset: UInt64, _ value: UInt64) {
    controllers.apic.write(offset: offset, size: 4, value: value, now: 0)
  }
  private func redirect(_ pin: UInt64, _ value: UInt64) {
    controllers.ioapic.write(offset: 0, size: 4, value: 0x10 + 2 * pin, now: 0)
    controllers.ioapic.write(offset: 0x10, size: 4, value: value, now: 0)
  }
  private func initializePIC() {
    for (offset, value) in [(UInt16(0), UInt8(0x11)), (1, 0x20), (1, 0x04), (1, 0x01)] {
      controllers.pic.writeByte(offset: offset, value: value, now: 0)
    }
  }

  @Test func firstThePICsInterruptsPass() {
    initializePIC()
    controllers.line(4).set(true)
    #expect(controllers.hasInterrupt)
    #expect(controllers.acknowledge() == 0x24)
    #expect(!controllers.hasInterrupt)
  }

  @Test func maskingLINT0ClosesTheWay() {
    initializePIC()
    apic(0xf0, 0x1ff)
    apic(0x350, 0x1_0700)
    controllers.line(4).set(true)
    #expect(!controllers.hasInterrupt)
    apic(0x350, 0x0700)
    #expect(controllers.acknowledge() == 0x24)
  }

  @Test func linesReachTheIOAPICWithTheTimerAtPinTwo() {
    apic(0xf0, 0x1ff)
    redirect(2, 0x0030)
    redirect(4, 0x0034)
    controllers.line(0).set(true)
    controllers.line(4).set(true)
    #expect(controllers.acknowledge() == 0x34)
    apic(0xb0, 0)
    #expect(controllers.acknowledge() == 0x30)
  }

  @Test func levelTriggeredInterruptsEndThroughTheLocalAPIC() {
    apic(0xf0, 0x1ff)
    redirect(9, 0x8039)
    controllers.line(9).set(true)
    #expect(controllers.acknowledge() == 0x39)
    #expect(!controllers.hasInterrupt)
    apic(0xb0, 0)
    #expect(controllers.acknowledge() == 0x39, "the line is still high")
    controllers.line(9).set(false)
    apic(0xb0, 0)
    #expect(!controllers.hasInterrupt)
  }

  @Test func lint0CanTakeThePICsOutputAsAVector() {
    // Linux tries this when the timer does not reach it through the I/O APIC.
    initializePIC()
    apic(0xf0, 0x1ff)
    apic(0x350, 0x0030)
    controllers.line(0).set(true)
    #expect(controllers.hasInterrupt)
    #expect(controllers.acknowledge() == 0x30)
  }
}
