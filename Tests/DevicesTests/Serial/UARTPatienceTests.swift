import Devices
import Testing

/// Input that is there before the guest is must reach it whole.
@Suite struct UARTPatienceTests {
  private let bench = UARTBench(isPatient: true)

  private func readAll() -> String {
    var bytes: [UInt8] = []
    while bench[5] & 1 != 0, bytes.count < 100 { bytes.append(bench[0]) }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func linuxsStartLosesNothing() {
    // The order of drivers/tty/serial/8250/8250_port.c of Linux 6.1: probe, start, first termios.
    bench.receive("echo hello, this is more than a FIFO\n")
    bench[1] = 0x0f
    bench[1] = 0x00
    bench[4] = 0x1a
    _ = bench[6]
    bench[4] = 0x03
    for control in [UInt8(0x01), 0x07, 0x00] { bench[2] = control }
    _ = (bench[5], bench[0], bench[2], bench[6])
    bench[3] = 0x03
    bench[4] = 0x0b
    bench[1] = 0x02
    _ = bench[2]
    bench[1] = 0x00
    _ = (bench[5], bench[0], bench[2], bench[6])
    #expect(bench.uart.unreadInput == 37)
    bench[1] = 0x05
    bench[2] = 0x01
    bench[2] = 0x81
    #expect(bench.level)
    #expect(readAll() == "echo hello, this is more than a FIFO\n")
  }

  @Test func printingIsNotListening() {
    bench.open()
    bench.receive("abc")
    for _ in 0..<1000 {
      #expect(bench[5] == 0x60)
      bench[0] = UInt8(ascii: ".")
    }
    #expect(bench.uart.unreadInput == 3)
  }

  @Test func pollingIsListening() {
    bench.open()
    bench.receive("abc")
    var polls = 0
    while bench[5] & 1 == 0, polls < 1000 { polls += 1 }
    #expect(polls == 16)
    #expect(readAll() == "abc")
    bench.receive("d")
    #expect(readAll() == "d", "who has polled goes on listening")
  }

  @Test func pollingBetweenPrintsIsListening() {
    bench.open()
    bench.receive("abc")
    var rounds = 0
    while bench[5] & 1 == 0, rounds < 1000 {
      rounds += 1
      _ = bench[5]
      bench[0] = UInt8(ascii: ".")
    }
    #expect(rounds < 50)
    #expect(readAll() == "abc")
  }

  @Test func interruptsNeedTheGate() {
    bench.receive("a")
    bench[1] = 0x01
    #expect(bench[5] & 1 == 0)
    bench[4] = 0x08
    #expect(bench.level)
    #expect(readAll() == "a")
  }

  @Test func aClosedPortHoldsInputBack() {
    bench.open(fifo: 0x01, interrupts: 0x01)
    bench.receive("a")
    #expect(readAll() == "a")
    bench[1] = 0x00
    bench.receive("b")
    #expect(bench[0] == 0)
    bench[1] = 0x01
    #expect(readAll() == "b")
  }

  @Test func resettingTheFIFOKeepsInputButNotTheLoops() {
    bench.open(fifo: 0x01, interrupts: 0x01)
    bench.receive("ab")
    bench[4] = 0x18
    bench[0] = UInt8(ascii: "x")
    bench[2] = 0x03
    #expect(bench[5] & 1 == 0)
    bench[4] = 0x08
    #expect(readAll() == "ab")
  }
}
