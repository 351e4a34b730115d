import Devices

/// A timer on a bench, with its time in clocks.
final class PITBench {
  let probe = Probe()
  let pit: PIT
  private(set) var clock: UInt64 = 0

  init() { pit = PIT(interrupt: probe.line) }

  var now: UInt64 { PIT.frequency.time(ofTick: clock) }

  subscript(_ offset: UInt16) -> UInt8 {
    get { pit.readByte(offset: offset, now: now) }
    set { pit.writeByte(offset: offset, value: newValue, now: now) }
  }

  func pass(_ clocks: UInt64 = 1) {
    clock += clocks
    pit.advance(to: now)
  }

  /// OUT by the read-back command.
  func out(_ counter: UInt16) -> Bool { status(counter) & 0x80 != 0 }

  func status(_ counter: UInt16) -> UInt8 {
    self[3] = 0xe0 | 2 << UInt8(counter)
    return self[counter]
  }

  /// The count by the latch command, low byte first.
  func count(_ counter: UInt16) -> UInt16 {
    self[3] = UInt8(counter) << 6
    return UInt16(self[counter]) | UInt16(self[counter]) << 8
  }

  /// Programs a counter for two-byte access.
  func program(_ counter: UInt16, mode: UInt8, bcd: Bool = false, count: UInt16? = nil) {
    self[3] = UInt8(counter) << 6 | 0x30 | mode << 1 | (bcd ? 1 : 0)
    if let count { write(counter, count) }
  }

  func write(_ counter: UInt16, _ count: UInt16) {
    self[counter] = UInt8(count & 0xff)
    self[counter] = UInt8(count >> 8)
  }

  /// OUT after each of the next clocks, as a row of digits.
  func wave(_ counter: UInt16, _ clocks: Int) -> String {
    var row = ""
    for _ in 0..<clocks {
      pass()
      row += out(counter) ? "1" : "0"
    }
    return row
  }
}
