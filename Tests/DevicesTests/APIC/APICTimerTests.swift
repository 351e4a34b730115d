import Devices
import Testing

/// Intel SDM vol. 3, 11.5.4. The bus clock is 1 GHz.
@Suite struct APICTimerTests {
  private func bench(mode: UInt32, divide: UInt32 = 0xb) -> APICBench {
    let bench = APICBench()
    bench[0x3e0] = divide
    bench[0x320] = mode << 17 | 0x30
    return bench
  }

  @Test func oneShotFiresOnce() {
    let bench = bench(mode: 0)
    bench[0x380] = 1000
    #expect(bench.apic.nextDeadline == 1000)
    bench.pass(400)
    #expect(bench[0x390] == 600)
    #expect(bench[0x380] == 1000)
    bench.pass(599)
    #expect(!bench.apic.hasInterrupt)
    bench.pass(1)
    #expect(bench.apic.acknowledge() == 0x30)
    #expect(bench[0x390] == 0)
    bench.end()
    bench.pass(1_000_000)
    #expect(!bench.apic.hasInterrupt)
    #expect(bench.apic.nextDeadline == nil)
  }

  @Test func periodicFiresAtExactTimes() {
    let bench = bench(mode: 1, divide: 0x3)  // by 16
    bench.pass(7)
    bench[0x380] = 100
    for period in UInt64(1)...50 {
      #expect(bench.apic.nextDeadline == 7 + 1600 * period)
      bench.now = 7 + 1600 * period
      bench.apic.advance(to: bench.now)
      #expect(bench.apic.acknowledge() == 0x30)
      bench.end()
    }
  }

  @Test func aLongPauseGivesOneInterruptAndKeepsThePhase() {
    let bench = bench(mode: 1)
    bench[0x380] = 1000
    bench.pass(123_456_789_400)
    #expect(bench.apic.acknowledge() == 0x30)
    bench.end()
    #expect(!bench.apic.hasInterrupt)
    #expect(bench[0x390] == 600)
  }

  @Test(
    arguments: [
      (UInt32(0b0000), UInt64(2)), (0b0001, 4), (0b0010, 8), (0b0011, 16), (0b1000, 32), (0b1001, 64), (0b1010, 128),
      (0b1011, 1),
    ])
  func divideConfigurations(code: UInt32, divisor: UInt64) {
    let bench = bench(mode: 0, divide: code)
    #expect(bench[0x3e0] == code)
    bench[0x380] = 10
    #expect(bench.apic.nextDeadline == 10 * divisor)
  }

  @Test func zeroStopsIt() {
    let bench = bench(mode: 1)
    bench[0x380] = 1000
    bench[0x380] = 0
    bench.pass(5000)
    #expect(!bench.apic.hasInterrupt)
    #expect(bench.apic.nextDeadline == nil)
  }

  @Test func maskedItRunsSilently() {
    let bench = bench(mode: 1)
    bench[0x320] = 0x3_0030
    bench[0x380] = 1000
    #expect(bench.apic.nextDeadline == nil)
    bench.pass(2500)
    #expect(!bench.apic.hasInterrupt)
    #expect(bench[0x390] == 500)
    bench[0x320] = 0x2_0030
    #expect(bench.apic.nextDeadline == 3000)
  }

  @Test func changingTheDivisorKeepsTheCount() {
    let bench = bench(mode: 0)
    bench[0x380] = 1000
    bench.pass(400)
    bench[0x3e0] = 0x0
    #expect(bench[0x390] == 600)
    #expect(bench.apic.nextDeadline == 400 + 1200)
  }

  @Test(arguments: [UInt32(0), 1])
  func theEndOfTimeIsHarmless(mode: UInt32) {
    let bench = bench(mode: mode, divide: 0b1010)
    bench[0x380] = .max
    bench.now = .max
    bench.apic.advance(to: .max)
    #expect(bench.apic.hasInterrupt)
    #expect(bench[0x390] == 0)
    bench[0x380] = .max
    #expect(bench.apic.acknowledge() == 0x30)
  }
}
