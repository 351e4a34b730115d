internal import VMMCore

/// Everything about an interaction but its value: what repeats, and is written out once in a chunk.
struct Shape: Equatable, Sendable {
  enum Kind: UInt8, Sendable {
    case portRead = 1
    case portWrite = 2
    case mmioRead = 3
    case mmioWrite = 4
    case msrRead = 5
    case msrWrite = 6
    case timestampRead = 7
    case randomRead = 8
    case halt = 9
    /// RDMSR that got #GP(0).
    case msrReadFault = 10
    /// WRMSR that got #GP(0).
    case msrWriteFault = 11
  }

  /// The kind in bits 7:4, the access size in bytes (0 where it is fixed) in bits 3:0. Zero is no shape.
  var code: UInt8
  /// The port, guest-physical address or MSR index; 0 where there is none.
  var address: UInt64

  static let none = Shape(code: 0, address: 0)

  init(_ kind: Kind, size: UInt8 = 0, address: UInt64 = 0) {
    self.init(code: kind.rawValue << 4 | size, address: address)
  }

  private init(code: UInt8, address: UInt64) {
    self.code = code
    self.address = address
  }

  /// `nil` for a code that no interaction has.
  init?(checking code: UInt8) {
    guard let kind = Kind(rawValue: code >> 4) else { return nil }
    let size = code & 0xf
    switch kind {
    case .portRead, .portWrite: guard size == 1 || size == 2 || size == 4 else { return nil }
    case .mmioRead, .mmioWrite: guard (1...8).contains(size) else { return nil }
    default: guard size == 0 else { return nil }
    }
    self.init(code: code, address: 0)
  }

  var kind: Kind { Kind(rawValue: code >> 4) ?? .halt }
  var size: UInt8 { code & 0xf }

  var hasAddress: Bool {
    switch kind {
    case .timestampRead, .randomRead, .halt: false
    default: true
    }
  }

  /// The largest address that the kind allows.
  var maximumAddress: UInt64 {
    switch kind {
    case .portRead, .portWrite: 0xffff
    case .mmioRead, .mmioWrite: .max
    default: 0xffff_ffff
    }
  }

  /// Bytes that a value takes in a record; `nil` for time stamps, which are differences.
  var valueSize: UInt8? {
    switch kind {
    case .portRead, .portWrite, .mmioRead, .mmioWrite: size
    case .msrRead, .msrWrite, .randomRead, .msrWriteFault: 8
    case .halt, .msrReadFault: 0
    case .timestampRead: nil
    }
  }

  /// The values that fit the access.
  var valueMask: UInt64 {
    let size = UInt64(valueSize ?? 8)
    return size == 0 ? 0 : UInt64.max &>> (64 &- 8 &* size)
  }
}

extension Shape {
  /// The shape and value of an interaction and its answer; `nil` when the two do not go together.
  @inline(__always)
  static func split(_ exit: VCPUExit, _ answer: Answer) -> (shape: Shape, value: UInt64)? {
    switch (exit, answer) {
    case (.portRead(let port, let size), .value(let value)):
      guard size == 1 || size == 2 || size == 4 else { return nil }
      return (Shape(.portRead, size: size, address: UInt64(port)), value)
    case (.portWrite(let port, let size, let value), .none):
      guard size == 1 || size == 2 || size == 4 else { return nil }
      return (Shape(.portWrite, size: size, address: UInt64(port)), UInt64(value))
    case (.mmioRead(let address, let size), .value(let value)):
      guard size >= 1 && size <= 8 else { return nil }
      return (Shape(.mmioRead, size: size, address: address.rawValue), value)
    case (.mmioWrite(let address, let size, let value), .none):
      guard size >= 1 && size <= 8 else { return nil }
      return (Shape(.mmioWrite, size: size, address: address.rawValue), value)
    case (.msrRead(let index), .value(let value)): return (Shape(.msrRead, address: UInt64(index)), value)
    case (.msrRead(let index), .fault): return (Shape(.msrReadFault, address: UInt64(index)), 0)
    case (.msrWrite(let index, let value), .none): return (Shape(.msrWrite, address: UInt64(index)), value)
    case (.msrWrite(let index, let value), .fault): return (Shape(.msrWriteFault, address: UInt64(index)), value)
    case (.timestampRead, .value(let value)): return (Shape(.timestampRead), value)
    case (.randomRead, .value(let value)): return (Shape(.randomRead), value)
    case (.halt, .none): return (Shape(.halt), 0)
    default: return nil
    }
  }

  /// The event that `split` took apart. The shape is one that `init(checking:)` lets through.
  @inline(__always)
  func event(value: UInt64) -> TraceEvent {
    let port = UInt16(truncatingIfNeeded: address)
    let index = UInt32(truncatingIfNeeded: address)
    let place = GuestPhysicalAddress(address)
    switch kind {
    case .portRead: return .interaction(.portRead(port: port, size: size), .value(value))
    case .portWrite:
      return .interaction(.portWrite(port: port, size: size, value: UInt32(truncatingIfNeeded: value)), .none)
    case .mmioRead: return .interaction(.mmioRead(address: place, size: size), .value(value))
    case .mmioWrite: return .interaction(.mmioWrite(address: place, size: size, value: value), .none)
    case .msrRead: return .interaction(.msrRead(index: index), .value(value))
    case .msrReadFault: return .interaction(.msrRead(index: index), .fault)
    case .msrWrite: return .interaction(.msrWrite(index: index, value: value), .none)
    case .msrWriteFault: return .interaction(.msrWrite(index: index, value: value), .fault)
    case .timestampRead: return .interaction(.timestampRead, .value(value))
    case .randomRead: return .interaction(.randomRead, .value(value))
    case .halt: return .interaction(.halt, .none)
    }
  }
}
