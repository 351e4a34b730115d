import Devices
import Testing

/// PC16550D data sheet, section 8: registers.
@Suite struct UARTRegisterTests {
  @Test func afterReset() {
    let bench = UARTBench()
    #expect(bench[1] == 0x00, "IER")
    #expect(bench[2] == 0x01, "IIR")
    #expect(bench[3] == 0x00, "LCR")
    #expect(bench[4] == 0x00, "MCR")
    #expect(bench[5] == 0x60, "LSR")
    #expect(!bench.level)
  }

  @Test func divisorLatchHidesBehindDLAB() {
    let bench = UARTBench()
    bench[3] = 0x80
    bench[0] = 0x34
    bench[1] = 0x12
    #expect(bench[0] == 0x34)
    #expect(bench[1] == 0x12)
    bench[3] = 0x03
    #expect(bench[1] == 0, "IER was not touched")
    #expect(bench.sent.isEmpty, "nothing was sent")
    bench[3] = 0x83
    #expect(bench[0] == 0x34)
  }

  @Test func unusedBitsReadZero() {
    let bench = UARTBench()
    bench[1] = 0xff
    #expect(bench[1] == 0x0f)
    bench[4] = 0xff
    #expect(bench[4] == 0x1f)
  }

  @Test func scratchAndLineControlHoldAllBits() {
    let bench = UARTBench()
    for value in [UInt8(0x55), 0xaa, 0x00, 0xff] {
      bench[7] = value
      #expect(bench[7] == value)
      bench[3] = value
      #expect(bench[3] == value)
    }
  }

  @Test func statusRegistersCannotBeWritten() {
    let bench = UARTBench()
    bench[5] = 0xff
    #expect(bench[5] == 0x60)
    bench[6] = 0xff
    #expect(bench[6] & 0xf0 == 0xb0)
  }

  @Test func fifosShowInIIR() {
    let bench = UARTBench()
    bench[2] = 0x01
    #expect(bench[2] == 0xc1)
    bench[2] = 0x00
    #expect(bench[2] == 0x01)
    // Bit 5 would show a 16750's 64 bytes.
    bench[3] = 0x80
    bench[2] = 0x21
    #expect(bench[2] == 0xc1)
  }

  @Test func sendsBytesInOrder() {
    let bench = UARTBench()
    bench.open()
    for byte in Array("hello".utf8) {
      #expect(bench[5] & 0x20 != 0)
      bench[0] = byte
    }
    #expect(bench.sent == Array("hello".utf8))
    #expect(bench[5] & 0x60 == 0x60)
  }

  @Test func wideAccessesAreSplit() {
    let bench = UARTBench()
    bench.uart.write(offset: 6, size: 2, value: 0x4200, now: 0)
    #expect(bench[7] == 0x42)
    #expect(bench.uart.read(offset: 6, size: 4, now: 0) == 0xffff_42b0)
  }
}
