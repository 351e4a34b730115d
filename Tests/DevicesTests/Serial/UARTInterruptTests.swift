import Devices
import Testing

/// PC16550D data sheet, 8.7 and 8.8: interrupts and their priorities.
@Suite struct UARTInterruptTests {
  @Test func enablingTheTransmitterInterruptAsksAtOnce() {
    let bench = UARTBench()
    bench.open(interrupts: 0x02)
    #expect(bench.level)
    #expect(bench[2] == 0x02)
    #expect(!bench.level, "reading IIR ends it")
    #expect(bench[2] == 0x01)
  }

  @Test func enablingItAgainAsksAgain() {
    let bench = UARTBench()
    bench.open(interrupts: 0x02)
    _ = bench[2]
    bench[1] = 0x00
    bench[1] = 0x02
    #expect(bench[2] == 0x02)
  }

  @Test func everySentByteGivesAnEdge() {
    let bench = UARTBench()
    bench.open(interrupts: 0x02)
    let before = bench.probe.rises
    bench[0] = 1
    bench[0] = 2
    #expect(bench.probe.rises == before + 2)
    #expect(bench.level)
  }

  @Test func prioritiesAsInTableFive() {
    let bench = UARTBench()
    bench.open(fifo: 0x01, interrupts: 0x0f)
    // A change of the modem lines, one byte looped with a break, and an empty transmitter, all at once.
    bench[4] = 0x18
    bench[3] = 0x43
    bench[4] = 0x0b
    #expect(bench[2] == 0xc6)
    #expect(bench[5] & 0x10 != 0, "break")
    #expect(bench[2] == 0xc4)
    #expect(bench[0] == 0)
    #expect(bench[2] == 0xc2)
    #expect(bench[2] == 0xc0)
    _ = bench[6]
    #expect(bench[2] == 0xc1)
    #expect(!bench.level)
  }

  @Test func onlyWhatIIRShowsIsEnded() {
    let bench = UARTBench()
    bench.open(interrupts: 0x03)
    bench.receive("a")
    #expect(bench[2] == 0x04)
    _ = bench[0]
    #expect(bench[2] == 0x02, "the transmitter's interrupt has waited")
  }

  @Test func out2OpensTheGate() {
    let bench = UARTBench()
    bench.open(interrupts: 0x02)
    #expect(bench.level)
    bench[4] = 0x03
    #expect(!bench.level)
    #expect(bench[2] == 0x02, "the chip itself still asks")
    bench[1] = 0
    bench[1] = 2
    #expect(!bench.level)
    bench[4] = 0x08
    #expect(bench.level)
  }

  @Test func disabledSourcesAreSilent() {
    let bench = UARTBench()
    bench.open()
    bench.receive("a")
    bench[0] = 1
    #expect(bench[2] == 0x01)
    #expect(bench.probe.rises == 0)
    bench[1] = 0x01
    #expect(bench.level, "what was already there counts once it is enabled")
  }
}
