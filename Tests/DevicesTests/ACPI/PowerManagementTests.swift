import Devices
import Testing

/// ACPI specification 6.4, 4.8.
@Suite struct PowerManagementTests {
  private let probe = Probe()
  private let journal = Journal()

  private func make(timerBits: Int = 24) -> PowerManagement {
    PowerManagement(timerBits: timerBits, interrupt: probe.line, request: journal.requests)
  }

  @Test func timerRunsAtItsRate() {
    let pm = make()
    #expect(pm.read(offset: 8, size: 4, now: 0) == 0)
    #expect(pm.read(offset: 8, size: 4, now: 1_000_000_000) == 3_579_545)
    #expect(pm.read(offset: 8, size: 2, now: 1_000_000_000) == 3_579_545 & 0xffff)
    #expect(pm.read(offset: 10, size: 1, now: 1_000_000_000) == 3_579_545 >> 16)
  }

  @Test func timerWrapsAt24Or32Bits() {
    let time = PowerManagement.frequency.time(ofTick: 1 << 31)
    let far = PowerManagement.frequency.time(ofTick: (1 << 32) + 9)
    #expect(make().read(offset: 8, size: 4, now: time) == 0)
    #expect(make(timerBits: 32).read(offset: 8, size: 4, now: time) == 1 << 31)
    #expect(make(timerBits: 32).read(offset: 8, size: 4, now: far) == 9)
    #expect(make().read(offset: 8, size: 4, now: far) == 9)
  }

  @Test func timerCannotBeWritten() {
    let pm = make()
    pm.write(offset: 8, size: 4, value: 0x1234, now: 0)
    #expect(pm.read(offset: 8, size: 4, now: 0) == 0)
  }

  @Test func highestBitChangesRaiseTheSCI() {
    let pm = make()
    pm.write(offset: 2, size: 2, value: 0x0001, now: 0)
    let half = PowerManagement.frequency.time(ofTick: 1 << 23)
    #expect(pm.nextDeadline == half)
    pm.advance(to: half - 1)
    #expect(!probe.level)
    pm.advance(to: half)
    #expect(probe.level)
    #expect(pm.nextDeadline == nil)
    #expect(pm.read(offset: 0, size: 2, now: half) == 1)
    pm.write(offset: 0, size: 2, value: 1, now: half)
    #expect(!probe.level)
    #expect(pm.nextDeadline == PowerManagement.frequency.time(ofTick: 1 << 24))
  }

  @Test func statusIsClearedByWritingOnes() {
    let pm = make()
    pm.pressPowerButton(now: 0)
    #expect(pm.read(offset: 0, size: 2, now: 0) == 0x100)
    pm.write(offset: 0, size: 2, value: 0x001, now: 0)
    #expect(pm.read(offset: 0, size: 2, now: 0) == 0x100)
    pm.write(offset: 0, size: 2, value: 0x100, now: 0)
    #expect(pm.read(offset: 0, size: 2, now: 0) == 0)
  }

  @Test func powerButtonInterruptsWhenEnabled() {
    let pm = make()
    pm.pressPowerButton(now: 0)
    #expect(!probe.level)
    pm.write(offset: 2, size: 2, value: 0x100, now: 0)
    #expect(probe.level)
  }

  @Test func acpiModeIsAlwaysOn() {
    #expect(make().read(offset: 4, size: 2, now: 0) == 1)
  }

  @Test func softOff() {
    let pm = make()
    pm.write(offset: 4, size: 2, value: 0x0000, now: 0)
    #expect(journal.entries.isEmpty)
    pm.write(offset: 4, size: 2, value: 0x2000 | UInt32(PowerManagement.softOffSleepType) << 10, now: 0)
    #expect(journal.drain() == ["powerOff"])
    #expect(pm.read(offset: 4, size: 2, now: 0) & 0x2000 == 0, "SLP_EN reads as 0")
  }

  @Test func otherSleepTypesDoNothing() {
    let pm = make()
    for type in UInt32(1)..<8 { pm.write(offset: 4, size: 2, value: 0x2000 | type << 10, now: 0) }
    #expect(journal.entries.isEmpty)
    #expect(pm.read(offset: 4, size: 2, now: 0) == 7 << 10 | 1)
  }
}
