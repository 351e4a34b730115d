import Devices
import Testing
import VMMCore

/// Intel SDM vol. 3, 11.4.3 to 11.4.5: IA32_APIC_BASE.
@Suite struct APICPresenceTests {
  private static let off: UInt64 = 0xfee0_0100
  private let bench = APICBench()

  private func offset(_ address: UInt64, size: UInt8 = 4) -> UInt64? {
    bench.apic.offset(of: GuestPhysicalAddress(address), size: size)
  }

  @Test func thePageIsWhereTheBaseSays() {
    #expect(offset(0xfee0_0080) == 0x80)
    #expect(offset(0xfee0_0ffc) == 0xffc && offset(0xfee0_0ffd) == nil && offset(0xfee0_1000) == nil)
    #expect(offset(0xfedf_ffff, size: 1) == nil)
    bench.apic.base = 0x1_2345_6900
    #expect(offset(0x1_2345_6080) == 0x80 && offset(0xfee0_0080) == nil)
    bench.apic.base = APICPresenceTests.off
    #expect(offset(0xfee0_0080) == nil)
  }

  @Test func switchedOffItForgetsAndMasksEverything() {
    bench[0x80] = 0x30
    bench[0x320] = 0x42
    bench[0x380] = 1000
    bench.send(0x41)
    bench.apic.base = APICPresenceTests.off
    #expect(!bench.apic.hasInterrupt)
    #expect(bench.apic.nextDeadline == nil)
    bench.apic.base = APICBase.standard
    #expect(bench[0xf0] == 0xff && bench[0x80] == 0 && bench[0x380] == 0)
    for offset in stride(from: UInt64(0x320), through: 0x370, by: 0x10) { #expect(bench[offset] == 0x1_0000) }
    #expect(!bench.has(0x41, in: 0x200))
  }

  @Test func withoutItThePinsAreTheCPUs() {
    bench[0x350] = 0x1_0700
    #expect(!bench.apic.passesExternalInterrupts)
    bench.apic.base = APICPresenceTests.off
    #expect(bench.apic.passesExternalInterrupts)
    bench.apic.setPin(1, true)
    #expect(bench.nmis == 1)
    bench.apic.base = APICBase.standard
    #expect(!bench.apic.passesExternalInterrupts)
  }

  @Test func messagesForNobodyAreNotTaken() {
    let controllers = InterruptControllers(nmi: {})
    func redirect(_ index: UInt64, _ value: UInt64) {
      controllers.ioapic.write(offset: 0, size: 4, value: index, now: 0)
      controllers.ioapic.write(offset: 0x10, size: 4, value: value, now: 0)
    }
    controllers.apic.write(offset: 0xf0, size: 4, value: 0x1ff, now: 0)
    redirect(0x18, 0x34)
    controllers.apic.base = APICPresenceTests.off
    controllers.line(4).set(true)
    controllers.apic.base = APICBase.standard
    controllers.apic.write(offset: 0xf0, size: 4, value: 0x1ff, now: 0)
    #expect(!controllers.apic.hasInterrupt)
  }

  @Test func aTaskPriorityOfTheSameClassKeepsItsSubclass() {
    bench[0x80] = 0xa7
    bench.apic.taskPriorityClass = 0xa
    #expect(bench[0x80] == 0xa7)
  }

  @Test func whatTheTaskPriorityHoldsBackIsTold() {
    bench.apic.taskPriorityClass = 5
    #expect(!bench.apic.isHeldBackByTaskPriority)
    bench.send(0x5f)
    #expect(bench.apic.isHeldBackByTaskPriority && !bench.apic.hasInterrupt)
    bench.apic.taskPriorityClass = 4
    #expect(!bench.apic.isHeldBackByTaskPriority && bench.apic.hasInterrupt)
    // What waits for an interrupt in service does not wait for the task priority.
    #expect(bench.apic.acknowledge() == 0x5f)
    bench.send(0x51)
    #expect(!bench.apic.isHeldBackByTaskPriority && !bench.apic.hasInterrupt)
  }
}
