import Devices

/// A local APIC on a bench, switched on.
final class APICBench {
  private(set) var nmis = 0
  private(set) var ended: [UInt8] = []
  private(set) var apic: LocalAPIC!
  var now: UInt64 = 0

  init(enabled: Bool = true) {
    apic = LocalAPIC(
      nmi: { [unowned self] in nmis += 1 }, endOfInterrupt: { [unowned self] vector in ended.append(vector) })
    if enabled { self[0xf0] = 0x1ff }
  }

  subscript(_ offset: UInt64) -> UInt32 {
    get { UInt32(truncatingIfNeeded: apic.read(offset: offset, size: 4, now: now)) }
    set { apic.write(offset: offset, size: 4, value: UInt64(newValue), now: now) }
  }

  func pass(_ nanoseconds: UInt64) {
    now += nanoseconds
    apic.advance(to: now)
  }

  /// Sends itself a fixed interrupt.
  func send(_ vector: UInt32) { self[0x300] = 0x4_0000 | vector }
  func end() { self[0xb0] = 0 }

  /// Whether a vector is in the 256-bit register at `base`.
  func has(_ vector: UInt8, in base: UInt64) -> Bool {
    self[base + UInt64(vector >> 5) * 16] >> UInt32(vector & 31) & 1 != 0
  }
}
