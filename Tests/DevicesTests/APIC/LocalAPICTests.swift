import Devices
import Testing

/// Intel SDM vol. 3, 11.4 and 11.8.
@Suite struct LocalAPICTests {
  @Test func afterReset() {
    let bench = APICBench(enabled: false)
    #expect(bench[0x20] == 0)
    #expect(bench[0x30] == 0x0005_0014)
    #expect(bench[0xf0] == 0xff)
    #expect(bench[0xe0] == 0xffff_ffff)
    #expect(bench[0x320] == 0x1_0000)
    #expect(bench[0x370] == 0x1_0000)
    for offset in stride(from: UInt64(0x100), to: 0x280, by: 0x10) { #expect(bench[offset] == 0) }
    #expect(!bench.apic.hasInterrupt)
  }

  @Test func aRequestGoesThroughItsStages() {
    let bench = APICBench()
    bench.send(0x41)
    #expect(bench.has(0x41, in: 0x200) && !bench.has(0x41, in: 0x100))
    #expect(bench.apic.hasInterrupt)
    #expect(bench.apic.acknowledge() == 0x41)
    #expect(!bench.has(0x41, in: 0x200) && bench.has(0x41, in: 0x100))
    #expect(bench[0xa0] == 0x40, "PPR is the class in service")
    bench.end()
    #expect(!bench.has(0x41, in: 0x100))
    #expect(bench[0xa0] == 0)
    #expect(bench.ended.isEmpty, "it was edge-triggered")
  }

  @Test func highVectorsComeFirstAndNest() {
    let bench = APICBench()
    for vector in [UInt32(0x31), 0x91, 0x52] { bench.send(vector) }
    #expect(bench.apic.acknowledge() == 0x91)
    #expect(!bench.apic.hasInterrupt)
    bench.send(0x9f)
    #expect(!bench.apic.hasInterrupt, "the same class does not nest")
    bench.send(0xa0)
    #expect(bench.apic.acknowledge() == 0xa0)
    bench.end()
    bench.end()
    #expect(bench.apic.acknowledge() == 0x9f)
    bench.end()
    #expect(bench.apic.acknowledge() == 0x52)
  }

  @Test func taskPriorityHoldsBack() {
    let bench = APICBench()
    bench[0x80] = 0x5f
    bench.send(0x5e)
    #expect(!bench.apic.hasInterrupt)
    #expect(bench[0xa0] == 0x5f, "PPR is TPR while that is higher")
    bench.send(0x60)
    #expect(bench.apic.acknowledge() == 0x60)
    #expect(bench[0xa0] == 0x60)
    bench.end()
    bench[0x80] = 0x40
    #expect(bench.apic.acknowledge() == 0x5e)
  }

  @Test func cr8IsTheTaskPriorityClass() {
    let bench = APICBench()
    bench[0x80] = 0xa7
    #expect(bench.apic.taskPriorityClass == 0xa)
    bench.apic.taskPriorityClass = 3
    #expect(bench[0x80] == 0x30)
  }

  @Test func spuriousVectorIsNotInService() {
    let bench = APICBench()
    bench[0xf0] = 0x1e7
    bench.send(0x40)
    bench[0x80] = 0xff
    #expect(bench.apic.acknowledge() == 0xe7)
    for offset in stride(from: UInt64(0x100), to: 0x180, by: 0x10) { #expect(bench[offset] == 0) }
  }

  @Test func switchedOffItMasksAndIgnores() {
    let bench = APICBench()
    bench[0x320] = 0x0040
    bench[0xf0] = 0x0ff
    #expect(bench[0x320] == 0x1_0040)
    bench[0x320] = 0x0040
    #expect(bench[0x320] == 0x1_0040, "the mask cannot be cleared")
    bench.send(0x55)
    #expect(!bench.apic.hasInterrupt)
  }

  @Test func illegalVectorsAreErrors() {
    let bench = APICBench()
    bench[0x370] = 0x00fe
    bench.send(0x0f)
    #expect(bench[0x280] == 0, "not before ESR is written")
    bench[0x280] = 0
    #expect(bench[0x280] == 0x20, "send illegal vector")
    #expect(bench.apic.acknowledge() == 0xfe)
    bench.end()
    bench[0x320] = 0x0003
    bench[0x3e0] = 0xb
    bench[0x380] = 10
    bench.pass(10)
    bench[0x280] = 0
    #expect(bench[0x280] == 0x40, "receive illegal vector")
    bench[0x280] = 0
    #expect(bench[0x280] == 0)
  }

  @Test func anIllegalErrorVectorDoesNotLoop() {
    let bench = APICBench()
    bench[0x370] = 0x0001
    bench.send(0x02)
    bench[0x280] = 0
    #expect(bench[0x280] & 0x20 != 0)
  }

  @Test(
    arguments: [
      (UInt32(0xffff_ffff), UInt32(0x0200_0000), UInt32(0x0200_0000), true),
      (0xffff_ffff, 0x0200_0000, 0x0500_0000, false),
      (0xffff_ffff, 0x0200_0000, 0xff00_0000, true), (0x0fff_ffff, 0x1200_0000, 0x1600_0000, true),
      (0x0fff_ffff, 0x1200_0000, 0x2200_0000, false), (0x0fff_ffff, 0x1200_0000, 0x1400_0000, false),
    ])
  func logicalDestinations(format: UInt32, id: UInt32, destination: UInt32, accepted: Bool) {
    let bench = APICBench()
    bench[0xe0] = format
    bench[0xd0] = id
    bench[0x310] = destination
    bench[0x300] = 0x0840
    #expect(bench.apic.hasInterrupt == accepted)
  }

  @Test(arguments: [(UInt32(0), true), (0x0100_0000, false), (0xff00_0000, true)])
  func physicalDestinations(destination: UInt32, accepted: Bool) {
    let bench = APICBench()
    bench[0x310] = destination
    bench[0x300] = 0x0040
    #expect(bench.apic.hasInterrupt == accepted)
  }

  @Test func shorthands() {
    let bench = APICBench()
    bench[0x300] = 0xc_0040
    #expect(!bench.apic.hasInterrupt, "all others: there are none")
    bench[0x300] = 0x8_0041
    #expect(bench.apic.acknowledge() == 0x41, "all including self")
    bench[0x300] = 0x0_0400
    #expect(bench.nmis == 1)
    bench[0x300] = 0x8_4500
    #expect(!bench.apic.hasInterrupt, "INIT does not reset the only processor")
  }

  @Test func localPins() {
    let bench = APICBench()
    bench[0x350] = 0x0700
    #expect(bench.apic.passesExternalInterrupts)
    bench.apic.setPin(0, true)
    #expect(!bench.apic.hasInterrupt, "ExtINT takes its vector from the 8259A")
    bench.apic.setPin(0, false)
    bench[0x350] = 0x0038
    #expect(!bench.apic.passesExternalInterrupts)
    bench.apic.setPin(0, true)
    #expect(bench.apic.acknowledge() == 0x38)
    bench[0x360] = 0x0400
    bench.apic.setPin(1, true)
    bench.apic.setPin(1, true)
    #expect(bench.nmis == 1, "an edge")
    bench[0x360] = 0x1_0400
    bench.apic.setPin(1, false)
    bench.apic.setPin(1, true)
    #expect(bench.nmis == 1, "masked")
  }

  /// 11.5.3: an access to a register that is not there is an error; one to the bytes between registers is not.
  @Test func illegalRegisters() {
    let bench = APICBench()
    bench[0x370] = 0x52
    for offset in [0x20, 0x30, 0xb0, 0xc0, 0x100, 0x324, 0x390] as [UInt64] { _ = bench[offset] }
    bench[0x30] = 0
    bench[0x280] = 0
    #expect(bench[0x280] == 0)
    #expect(!bench.apic.hasInterrupt)
    _ = bench[0x2f0]
    #expect(bench.apic.acknowledge() == 0x52)
    bench.end()
    #expect(bench[0x280] == 0, "latched by a write only")
    bench[0x280] = 0
    #expect(bench[0x280] == 0x80)
    bench[0x3f0] = 0
    #expect(bench.apic.acknowledge() == 0x52)
  }
}
