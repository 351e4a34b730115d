/// An address in the guest's physical address space, in bytes.
public struct GuestPhysicalAddress: Hashable, Comparable, Sendable {
  public var rawValue: UInt64
  @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @inlinable public static func + (a: Self, offset: UInt64) -> Self { Self(a.rawValue &+ offset) }
}

extension GuestPhysicalAddress: CustomStringConvertible {
  public var description: String { hex(rawValue) }
}

/// The size of a page of guest memory, the unit of dirty tracking and of digests, in bytes.
@inlinable public var pageSize: Int { 4096 }

/// `0x` and at least `digits` lower-case hexadecimal digits, the form in which addresses and values are printed.
public func hex<T: FixedWidthInteger & UnsignedInteger>(_ value: T, digits: Int = 1) -> String {
  let text = String(value, radix: 16)
  return "0x" + String(repeating: "0", count: max(0, digits - text.count)) + text
}
