import Devices

/// A real-time clock on a bench: registers by number, time in nanoseconds.
final class RTCBench {
  private static let clockRegisters: [UInt8] = [0x32, 9, 8, 7, 6, 4, 2, 0]

  let probe = Probe()
  let rtc: RTC
  var now: UInt64 = 0

  /// - Parameter epoch: 2026-11-21 13:59:58 UTC, a Saturday, unless told otherwise.
  init(epoch: UInt64 = 1_795_269_598, memorySize: UInt64 = 0) {
    rtc = RTC(epoch: epoch, memorySize: memorySize, interrupt: probe.line)
  }

  subscript(_ register: UInt8) -> UInt8 {
    get {
      rtc.writeByte(offset: 0, value: register, now: now)
      return rtc.readByte(offset: 1, now: now)
    }
    set {
      rtc.writeByte(offset: 0, value: register, now: now)
      rtc.writeByte(offset: 1, value: newValue, now: now)
    }
  }

  func pass(_ nanoseconds: UInt64) {
    now += nanoseconds
    rtc.advance(to: now)
  }
  func pass(seconds: UInt64) { pass(seconds * 1_000_000_000) }

  /// Century, year, month, day, weekday, hours, minutes, seconds, in hexadecimal.
  var reading: String {
    RTCBench.clockRegisters.map { register in
      let text = String(self[register], radix: 16)
      return text.count == 1 ? "0" + text : text
    }.joined(separator: " ")
  }

  func set(_ bytes: [UInt8]) {
    for (register, byte) in zip(RTCBench.clockRegisters, bytes) { self[register] = byte }
  }
}
