public import VMMCore

/// A device in the guest's physical address space. It sees offsets; the bus owns the addresses.
///
/// Every access of 1 to 8 bytes at any offset has a defined result.
public protocol MMIODevice: Device {
  /// Reads `size` bytes (1 to 8) at `offset`, zero-extended, at the time `now`.
  func read(offset: UInt64, size: UInt8, now: UInt64) -> UInt64
  /// Writes the low `size` bytes (1 to 8) of `value` at `offset`, at the time `now`.
  func write(offset: UInt64, size: UInt8, value: UInt64, now: UInt64)
}

/// The physical addresses that are neither RAM nor ROM. Addresses of nobody read all ones.
public final class MMIOBus {
  private struct Slot {
    var device: any MMIODevice
    var first: UInt64
    var count: UInt64
  }

  private var slots: [Slot] = []

  public init() {}

  /// Puts a device at `count` addresses from `first`.
  public func attach(
    _ device: some MMIODevice, at first: GuestPhysicalAddress, count: UInt64
  ) throws(AssemblyError) {
    let start = first.rawValue
    guard count > 0, start <= UInt64.max - (count - 1) else {
      throw .badRange(device: device.name, first: start, count: count)
    }
    for slot in slots where start <= slot.first &+ (slot.count - 1) && slot.first <= start &+ (count - 1) {
      throw .overlap(device: device.name, with: slot.device.name, address: max(start, slot.first))
    }
    slots.append(Slot(device: device, first: start, count: count))
  }

  /// Reads `size` bytes (1 to 8) at `address`, zero-extended.
  public func read(address: GuestPhysicalAddress, size: UInt8, now: UInt64) -> UInt64 {
    let size = min(size, 8)
    if let index = slot(of: address.rawValue, size: size) {
      return slots[index].device.read(offset: address.rawValue &- slots[index].first, size: size, now: now)
    }
    var value: UInt64 = 0
    for index in 0..<UInt64(size) {
      let byte = size == 1 ? 0xff : read(address: address + index, size: 1, now: now)
      value |= byte << (8 * index)
    }
    return value
  }

  /// Writes the low `size` bytes (1 to 8) of `value` at `address`.
  public func write(address: GuestPhysicalAddress, size: UInt8, value: UInt64, now: UInt64) {
    let size = min(size, 8)
    if let index = slot(of: address.rawValue, size: size) {
      slots[index].device.write(offset: address.rawValue &- slots[index].first, size: size, value: value, now: now)
    } else if size > 1 {
      for index in 0..<UInt64(size) {
        write(address: address + index, size: 1, value: value >> (8 * index) & 0xff, now: now)
      }
    }
  }

  /// The slot that holds all of an access.
  private func slot(of address: UInt64, size: UInt8) -> Int? {
    for index in slots.indices {
      let offset = address &- slots[index].first
      if offset < slots[index].count, UInt64(size) <= slots[index].count - offset { return index }
    }
    return nil
  }
}
