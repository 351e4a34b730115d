internal import VMMCore

/// A machine that cannot be put together: our own mistake in its plan.
public enum AssemblyError: Error, Equatable, CustomStringConvertible {
  /// Two devices want the same addresses.
  case overlap(device: String, with: String, address: UInt64)
  /// The range is empty or leaves the address space.
  case badRange(device: String, first: UInt64, count: UInt64)
  case tooManyRanges

  public var description: String {
    switch self {
    case .overlap(let device, let other, let address): "\(device) overlaps \(other) at \(hex(address))"
    case .badRange(let device, let first, let count):
      "\(device): no range of \(count) addresses from \(hex(first)) is possible"
    case .tooManyRanges: "more address ranges than the bus has room for"
    }
  }
}

/// The 65,536 I/O ports: finds the device of an access. Ports of nobody read all ones.
public final class PortBus {
  private struct Slot {
    var device: any PortDevice
    var range: PortRange
    var takesWide: Bool
  }

  /// For each port, one more than the index of its slot; 0 for ports of nobody.
  private var slotOfPort = [UInt8](repeating: 0, count: 0x10000)
  private var slots: [Slot] = []

  public init() {}

  /// Puts a device at ranges of ports.
  public func attach(_ device: some PortDevice, at ranges: [PortRange]) throws(AssemblyError) {
    for range in ranges { try attach(device, at: range) }
  }

  private func attach(_ device: some PortDevice, at range: PortRange) throws(AssemblyError) {
    let first = Int(range.first)
    let end = first + Int(range.count)
    guard range.count > 0, end <= 0x10000 else {
      throw .badRange(device: device.name, first: UInt64(range.first), count: UInt64(range.count))
    }
    guard slots.count < 255 else { throw .tooManyRanges }
    for port in first..<end where slotOfPort[port] != 0 {
      throw .overlap(
        device: device.name, with: slots[Int(slotOfPort[port]) - 1].device.name, address: UInt64(port))
    }
    slots.append(Slot(device: device, range: range, takesWide: device.hasWideRegisters))
    for port in first..<end { slotOfPort[port] = UInt8(slots.count) }
  }

  /// Reads `size` bytes (1, 2 or 4) from `port`, zero-extended.
  public func read(port: UInt16, size: UInt8, now: UInt64) -> UInt32 {
    let number = Int(slotOfPort[Int(port)])
    if number != 0 {
      let range = slots[number - 1].range
      let offset = port &- range.first
      if size == 1 || slots[number - 1].takesWide && UInt32(offset) + UInt32(size) <= UInt32(range.count) {
        return slots[number - 1].device.read(offset: range.firstOffset &+ offset, size: size, now: now)
      }
    } else if size == 1 {
      return 0xff
    }
    var value: UInt32 = 0
    for index in 0..<UInt16(min(size, 4)) {
      value |= read(port: port &+ index, size: 1, now: now) << UInt32(8 * index)
    }
    return value
  }

  /// Writes the low `size` bytes (1, 2 or 4) of `value` to `port`.
  public func write(port: UInt16, size: UInt8, value: UInt32, now: UInt64) {
    let number = Int(slotOfPort[Int(port)])
    if number != 0 {
      let range = slots[number - 1].range
      let offset = port &- range.first
      if size == 1 || slots[number - 1].takesWide && UInt32(offset) + UInt32(size) <= UInt32(range.count) {
        slots[number - 1].device.write(offset: range.firstOffset &+ offset, size: size, value: value, now: now)
        return
      }
    } else if size == 1 {
      return
    }
    for index in 0..<UInt16(min(size, 4)) {
      write(port: port &+ index, size: 1, value: value >> UInt32(8 * index) & 0xff, now: now)
    }
  }
}
