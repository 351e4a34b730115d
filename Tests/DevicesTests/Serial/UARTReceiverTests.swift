import Devices
import Testing

/// PC16550D data sheet, 8.6.6 and 8.10: receiver, FIFO and time-out.
@Suite struct UARTReceiverTests {
  @Test func withoutFIFOsOneByteAtATime() {
    let bench = UARTBench()
    bench.open(interrupts: 0x01)
    bench.receive("ab")
    #expect(bench.level)
    #expect(bench[2] == 0x04)
    #expect(bench[5] & 0x01 != 0)
    #expect(bench[0] == UInt8(ascii: "a"))
    #expect(bench[5] & 0x01 != 0, "the next byte has moved up")
    #expect(bench[0] == UInt8(ascii: "b"))
    #expect(bench[5] & 0x01 == 0)
    #expect(bench[2] == 0x01)
    #expect(!bench.level)
  }

  @Test(arguments: [(UInt8(0x01), 1), (0x41, 4), (0x81, 8), (0xc1, 14)])
  func triggerLevels(control: UInt8, level: Int) {
    let bench = UARTBench()
    bench.open(fifo: control, interrupts: 0x01)
    bench.receive(String(repeating: "x", count: level - 1))
    #expect(!bench.level)
    bench.receive("y")
    #expect(bench.level)
    #expect(bench[2] == 0xc4)
    _ = bench[0]
    #expect(!bench.level, "below the trigger level again")
  }

  @Test func inputBeyondTheFIFOWaits() {
    let bench = UARTBench()
    bench.open(fifo: 0xc1, interrupts: 0x01)
    let text = (0..<100).map { UInt8($0) }
    bench.uart.receive(text, now: 0)
    #expect(bench.uart.unreadInput == 100)
    var read: [UInt8] = []
    while bench[5] & 1 != 0 { read.append(bench[0]) }
    #expect(read == text)
    #expect(bench[5] & 0x02 == 0, "no overrun")
    #expect(bench.uart.unreadInput == 0)
  }

  @Test func timeoutAfterFourCharacters() {
    let bench = UARTBench()
    bench.open(fifo: 0x81, interrupts: 0x01)
    bench.pass(1_000_000)
    bench.receive("abc")
    #expect(!bench.level)
    // 4 characters of 10 bits at 115,200 baud: 347,222.2 ns.
    #expect(bench.uart.nextDeadline == 1_000_000 + 4 * 86_805)
    bench.pass(4 * 86_805 - 1)
    #expect(!bench.level)
    bench.pass(1)
    #expect(bench.level)
    #expect(bench[2] == 0xcc)
    #expect(bench.uart.nextDeadline == nil)
    _ = bench[0]
    #expect(bench[2] == 0xc1, "a read ends the time-out and starts it again")
    bench.pass(4 * 86_805)
    #expect(bench[2] == 0xcc)
  }

  @Test(arguments: [(UInt8(0x03), UInt64(20)), (0x00, 14), (0x04, 15), (0x1f, 24), (0x0b, 22)])
  func timeoutFollowsTheFrame(lineControl: UInt8, halfBits: UInt64) {
    let bench = UARTBench()
    bench.open(fifo: 0x81, interrupts: 0x01)
    bench[3] = 0x80
    bench[0] = 12
    bench[3] = lineControl
    bench.receive("a")
    #expect(bench.uart.nextDeadline == 4 * (halfBits * 12 * 1_000_000_000 / 230_400))
  }

  @Test func noTimeoutWithoutFIFOs() {
    let bench = UARTBench()
    bench.open(interrupts: 0x01)
    bench.receive("a")
    _ = bench[0]
    #expect(bench.uart.nextDeadline == nil)
  }

  @Test func resettingTheFIFOEmptiesIt() {
    let bench = UARTBench()
    bench.open(fifo: 0x01, interrupts: 0x01)
    bench.receive("ab")
    bench[2] = 0x03
    #expect(bench[5] & 1 == 0)
    #expect(!bench.level)
  }

  @Test func switchingTheFIFOsEmptiesThem() {
    let bench = UARTBench()
    bench.open(fifo: 0x01)
    bench.receive("ab")
    bench[2] = 0x00
    #expect(bench[5] & 1 == 0)
  }

  @Test func anEmptyReceiverReadsZero() {
    let bench = UARTBench()
    bench.open()
    #expect(bench[0] == 0)
  }
}
