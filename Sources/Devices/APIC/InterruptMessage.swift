/// An interrupt on its way from an I/O APIC or a local APIC to local APICs.
public struct InterruptMessage: Equatable, Sendable {
  /// Bits 10:8 of the ICR, of LVT entries and of redirection entries.
  public enum DeliveryMode: UInt8, Sendable {
    case fixed = 0
    case lowestPriority = 1
    case smi = 2
    case reserved = 3
    case nmi = 4
    case initialize = 5
    case startUp = 6
    /// The vector comes from the 8259A.
    case external = 7
  }

  public var vector: UInt8
  public var mode: DeliveryMode
  public var isLevelTriggered: Bool
  /// The destination is a set of logical IDs, not a physical one.
  public var isLogical: Bool
  public var destination: UInt8

  /// From the low word of an ICR or redirection entry (they agree in these bits) and the destination field.
  init(word: UInt32, destination: UInt8) {
    vector = UInt8(truncatingIfNeeded: word)
    mode = DeliveryMode(rawValue: UInt8(truncatingIfNeeded: word >> 8 & 7)) ?? .reserved
    isLogical = word & 1 << 11 != 0
    isLevelTriggered = word & 1 << 15 != 0
    self.destination = destination
  }
}
