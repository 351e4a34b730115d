/// A segment register with its hidden part (Intel SDM vol. 3, 3.4.3), or LDTR and TR.
public struct Segment: Equatable, Sendable {
  /// The visible selector.
  public var selector: UInt16 = 0
  /// The hidden base, in bytes.
  public var base: UInt64 = 0
  /// The hidden limit in bytes, already scaled by the granularity bit.
  public var limit: UInt32 = 0
  /// The access rights in the layout of the VMCS (Intel SDM vol. 3, 24.4.1): type in bits 3:0, S 4, DPL 6:5, P 7,
  /// AVL 12, L 13, D/B 14, G 15, unusable 16.
  public var attributes: UInt32 = 0

  public init() {}

  public init(selector: UInt16, base: UInt64, limit: UInt32, attributes: UInt32) {
    self.selector = selector
    self.base = base
    self.limit = limit
    self.attributes = attributes
  }

  /// Bits 3:0: the descriptor type.
  public var type: UInt8 { UInt8(attributes & 0xf) }
  /// S: code or data segment when set, system segment when clear.
  public var isCodeOrData: Bool { attributes & 1 << 4 != 0 }
  /// DPL, 0 to 3.
  public var privilegeLevel: UInt8 { UInt8(attributes >> 5 & 3) }
  /// P.
  public var isPresent: Bool { attributes & 1 << 7 != 0 }
  /// AVL.
  public var available: Bool { attributes & 1 << 12 != 0 }
  /// L: 64-bit code.
  public var isLong: Bool { attributes & 1 << 13 != 0 }
  /// D/B: 32-bit default operand size.
  public var isDefault32: Bool { attributes & 1 << 14 != 0 }
  /// G: the limit was given in pages.
  public var granularity: Bool { attributes & 1 << 15 != 0 }
  /// The segment was loaded with a null selector, or never.
  public var isUnusable: Bool { attributes & 1 << 16 != 0 }
}

/// GDTR or IDTR.
public struct DescriptorTable: Equatable, Sendable {
  /// Linear base address, in bytes.
  public var base: UInt64 = 0
  /// The offset of the table's last byte.
  public var limit: UInt16 = 0
  public init(base: UInt64 = 0, limit: UInt16 = 0) {
    self.base = base
    self.limit = limit
  }
}
