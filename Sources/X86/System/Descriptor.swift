internal import VMMCore

/// An entry of a descriptor table (Intel SDM vol. 3, 3.4.5, 3.5 and 6.11); `high` is the second half of the system
/// descriptors of long mode.
struct Descriptor {
  var low: UInt64
  var high: UInt64 = 0

  /// In the layout of `Segment.attributes`.
  var attributes: UInt32 { UInt32(truncatingIfNeeded: low >> 40 & 0xff | (low >> 52 & 0xf) << 12) }
  var type: UInt8 { UInt8(truncatingIfNeeded: low >> 40 & 0xf) }
  var isCodeOrData: Bool { low & 1 << 44 != 0 }
  var privilegeLevel: Int { Int(truncatingIfNeeded: low >> 45 & 3) }
  var isPresent: Bool { low & 1 << 47 != 0 }
  var isCode: Bool { isCodeOrData && type & 8 != 0 }
  /// Of code.
  var isConforming: Bool { type & 4 != 0 }
  var isLong: Bool { low & 1 << 53 != 0 }
  var isDefault32: Bool { low & 1 << 54 != 0 }
  var isWritableData: Bool { isCodeOrData && type & 0xa == 2 }
  /// Data, or code that can be read.
  var isReadable: Bool { isCodeOrData && type & 0xa != 8 }

  var base: UInt64 { low >> 16 & 0xff_ffff | low >> 32 & 0xff00_0000 | high << 32 }
  /// Scaled by the granularity bit.
  var limit: UInt32 {
    let raw = UInt32(truncatingIfNeeded: low & 0xffff | low >> 32 & 0xf_0000)
    return low & 1 << 55 != 0 ? raw << 12 | 0xfff : raw
  }

  func segment(_ selector: UInt16) -> Segment {
    Segment(selector: selector, base: base, limit: limit, attributes: attributes)
  }
}

// A gate's fields.
extension Descriptor {
  var gateOffset: UInt64 { low & 0xffff | low >> 32 & 0xffff_0000 | high << 32 }
  var gateSelector: UInt16 { UInt16(truncatingIfNeeded: low >> 16) }
  /// IST of an interrupt gate in long mode: 0 … 7.
  var stackTableIndex: UInt64 { low >> 32 & 7 }
  /// Parameters that a call gate copies.
  var parameterCount: Int { Int(truncatingIfNeeded: low >> 32 & 0x1f) }
}

/// Types of system descriptors (Intel SDM vol. 3, table 3-2).
enum SystemType {
  static var tss16: UInt8 { 1 }
  static var ldt: UInt8 { 2 }
  static var busyTSS16: UInt8 { 3 }
  static var callGate16: UInt8 { 4 }
  static var taskGate: UInt8 { 5 }
  static var interruptGate16: UInt8 { 6 }
  static var trapGate16: UInt8 { 7 }
  static var tss: UInt8 { 9 }
  static var busyTSS: UInt8 { 11 }
  static var callGate: UInt8 { 12 }
  static var interruptGate: UInt8 { 14 }
  static var trapGate: UInt8 { 15 }
}

/// Attributes of a segment register that holds a null selector.
let unusableSegment: UInt32 = 1 << 16

extension CPU {
  /// Raises an exception whose error code names a selector.
  @discardableResult
  func raise(_ vector: UInt8, selector: UInt16) -> Bool {
    raise(vector, errorCode: UInt32(selector & 0xfffc) | UInt32(truncatingIfNeeded: s[SystemSlot.external]))
  }

  /// The linear address of a selector's descriptor of `size` bytes; `nil` beyond the table's end.
  func descriptorAddress(_ selector: UInt16, size: UInt64 = 8) -> UInt64? {
    let offset = UInt64(selector & 0xfff8)
    if selector & 4 != 0 {
      guard s[Slot.ldtr + 3] & UInt64(unusableSegment) == 0, s[Slot.ldtr] & 0xfffc != 0,
        offset + size - 1 <= s[Slot.ldtr + 2]
      else { return nil }
      return s[Slot.ldtr + 1] &+ offset
    }
    return offset + size - 1 <= s[Slot.gdtr + 1] ? s[Slot.gdtr] &+ offset : nil
  }

  /// Reads a selector's descriptor. Beyond the table's end it raises `vector` with the selector; `nil` then, or when
  /// the memory cannot be read.
  func descriptor(_ selector: UInt16, orRaise vector: UInt8 = ExceptionVector.generalProtection) -> Descriptor? {
    guard let address = descriptorAddress(selector) else {
      raise(vector, selector: selector)
      return nil
    }
    return loadSystem(UInt64.self, address).map { Descriptor(low: $0) }
  }

  /// The same for a system descriptor, which in long mode has 16 bytes.
  func systemDescriptor(
    _ selector: UInt16, orRaise vector: UInt8 = ExceptionVector.generalProtection
  ) -> Descriptor? {
    guard isLongMode else { return descriptor(selector, orRaise: vector) }
    guard let address = descriptorAddress(selector, size: 16) else {
      raise(vector, selector: selector)
      return nil
    }
    guard let low = loadSystem(UInt64.self, address), let high = loadSystem(UInt64.self, address &+ 8) else {
      return nil
    }
    // The type of the second half must be 0.
    guard high >> 40 & 0x1f == 0 else {
      raise(vector, selector: selector)
      return nil
    }
    return Descriptor(low: low, high: high)
  }

  /// Sets the accessed bit of a code or data descriptor, in memory and in the copy; false when memory cannot be
  /// written.
  func markAccessed(_ descriptor: inout Descriptor, _ selector: UInt16) -> Bool {
    guard descriptor.low & 1 << 40 == 0 else { return true }
    descriptor.low |= 1 << 40
    guard let address = descriptorAddress(selector) else { return false }
    return storeSystem(UInt8(truncatingIfNeeded: descriptor.low >> 40), address &+ 5)
  }
}
