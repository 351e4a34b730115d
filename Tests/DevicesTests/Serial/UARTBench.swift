import Devices

/// A UART with COM1's wiring on a bench: registers by their offset, a probe on the line, and the sent bytes.
final class UARTBench {
  let probe = Probe()
  private final class Sink { var bytes: [UInt8] = [] }
  private let sink = Sink()
  let uart: UART
  var now: UInt64 = 0

  /// - Parameter isPatient: false for the bare chip.
  init(isPatient: Bool = false) {
    let sink = self.sink
    uart = UART(interrupt: probe.line, isPatient: isPatient, output: { sink.bytes.append($0) })
  }

  var sent: [UInt8] { sink.bytes }
  var level: Bool { probe.level }

  subscript(_ register: UInt16) -> UInt8 {
    get { uart.readByte(offset: register, now: now) }
    set { uart.writeByte(offset: register, value: newValue, now: now) }
  }

  func receive(_ text: String) { uart.receive(Array(text.utf8), now: now) }

  func pass(_ nanoseconds: UInt64) {
    now += nanoseconds
    uart.advance(to: now)
  }

  /// 115,200 baud, 8N1, DTR, RTS and OUT2.
  func open(fifo: UInt8 = 0, interrupts: UInt8 = 0) {
    self[3] = 0x83
    self[0] = 1
    self[1] = 0
    self[3] = 0x03
    self[2] = fifo
    self[4] = 0x0b
    self[1] = interrupts
  }
}
