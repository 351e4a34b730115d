import Devices

/// Shows an MMIO device whose registers lie 16 bytes apart as a port device, so that one contract suite does for both.
final class PortFace<D: MMIODevice>: PortDevice {
  let device: D
  let count: UInt16

  init(_ device: D, count: UInt16) {
    self.device = device
    self.count = count
  }

  var name: String { device.name }
  var hasWideRegisters: Bool { true }

  func read(offset: UInt16, size: UInt8, now: UInt64) -> UInt32 {
    guard offset < count else { return .max >> (32 - 8 * UInt32(size)) }
    return UInt32(truncatingIfNeeded: device.read(offset: UInt64(offset) * 16, size: size, now: now))
  }
  func write(offset: UInt16, size: UInt8, value: UInt32, now: UInt64) {
    guard offset < count else { return }
    // Only whole words count: give the device more of them.
    device.write(offset: UInt64(offset) * 16, size: size == 2 ? 4 : size, value: UInt64(value), now: now)
  }
  func advance(to now: UInt64) { device.advance(to: now) }
  var nextDeadline: UInt64? { device.nextDeadline }
  func snapshot() -> D.State { device.snapshot() }
  func restore(_ state: D.State) { device.restore(state) }
}
