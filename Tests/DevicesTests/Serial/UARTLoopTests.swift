import Devices
import Testing

/// PC16550D data sheet, 8.9 and 8.10: loopback and modem status.
@Suite struct UARTLoopTests {
  @Test func sentBytesComeBack() {
    let bench = UARTBench()
    bench.open(fifo: 0x01)
    bench[4] = 0x10
    bench[0] = 0x5a
    #expect(bench.sent.isEmpty)
    #expect(bench[5] & 1 != 0)
    #expect(bench[0] == 0x5a)
  }

  @Test func shortWordsLoseTheirHighBits() {
    let bench = UARTBench()
    bench.open()
    bench[4] = 0x10
    bench[3] = 0x00
    bench[0] = 0xff
    #expect(bench[0] == 0x1f)
  }

  @Test(arguments: [(UInt8(0x10), UInt8(0x00)), (0x11, 0x20), (0x12, 0x10), (0x14, 0x40), (0x18, 0x80), (0x1f, 0xf0)])
  func modemOutputsFeedTheInputs(control: UInt8, lines: UInt8) {
    let bench = UARTBench()
    bench[4] = control
    #expect(bench[6] & 0xf0 == lines)
  }

  @Test func linuxsLoopbackProbe() {
    // drivers/tty/serial/8250: with LOOP, RTS and OUT2 the modem status must show CTS and DCD.
    let bench = UARTBench()
    bench[4] = 0x1a
    #expect(bench[6] & 0xf0 == 0x90)
  }

  @Test func changesLeaveDeltasUntilRead() {
    let bench = UARTBench()
    bench[4] = 0x10
    _ = bench[6]
    bench[4] = 0x13
    #expect(bench[6] == 0x33)
    #expect(bench[6] == 0x30)
    bench[4] = 0x10
    #expect(bench[6] == 0x03)
    bench[4] = 0x18
    #expect(bench[6] == 0x88)
  }

  @Test func onlyTheEndOfARingCounts() {
    let bench = UARTBench()
    bench[4] = 0x10
    _ = bench[6]
    bench[4] = 0x14
    #expect(bench[6] == 0x40)
    bench[4] = 0x10
    #expect(bench[6] == 0x04)
  }

  @Test func overrunWithoutFIFOsLosesTheOldByte() {
    let bench = UARTBench()
    bench.open(interrupts: 0x04)
    bench[4] = 0x18
    bench[0] = 1
    bench[0] = 2
    #expect(bench[2] == 0x06)
    #expect(bench[5] & 0x03 == 0x03)
    #expect(bench[5] & 0x03 == 0x01, "reading LSR clears the overrun")
    #expect(bench[0] == 2)
  }

  @Test func overrunWithFIFOsLosesTheNewByte() {
    let bench = UARTBench()
    bench.open(fifo: 0x01)
    bench[4] = 0x10
    for byte in UInt8(0)..<17 { bench[0] = byte }
    #expect(bench[5] & 0x02 != 0)
    #expect((0..<16).map { _ in bench[0] } == Array(0..<16))
    #expect(bench[5] & 0x01 == 0)
  }

  @Test func breakIsAnErrorOfItsCharacter() {
    let bench = UARTBench()
    bench.open(fifo: 0x01)
    bench[4] = 0x10
    bench[0] = 0x41
    bench[3] = 0x43
    #expect(bench[5] & 0x91 == 0x81, "an error is in the FIFO, but not yet at its top")
    _ = bench[0]
    #expect(bench[5] & 0x91 == 0x91)
    #expect(bench[5] & 0x91 == 0x01)
  }

  @Test func inputFromOutsideWaitsForTheLoopToEnd() {
    let bench = UARTBench()
    bench.open(fifo: 0x01)
    bench[4] = 0x10
    bench.receive("a")
    #expect(bench[5] & 1 == 0)
    bench[4] = 0x00
    #expect(bench[0] == UInt8(ascii: "a"))
  }
}
