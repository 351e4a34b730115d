internal import VMMCore

/// What a register's value is taken from: the CPU, and where in the recording it stands.
struct RegisterSource {
  var state: CPUState
  var position: Position
  /// `nil` where nobody has counted.
  var instructionCount: UInt64?
}

/// Up to 128 bits.
struct RegisterValue: Equatable {
  var low: UInt64
  var high: UInt64 = 0
  init(_ low: UInt64, high: UInt64 = 0) {
    self.low = low
    self.high = high
  }
  init(_ value: some UnsignedInteger & FixedWidthInteger) { self.init(UInt64(value)) }
}

/// One register as the client sees it. Its number is its place in the layout.
struct Register {
  /// The features of the target description. gdb knows the first two by name.
  enum Feature: String, CaseIterable {
    case core = "org.gnu.gdb.i386.core"
    case sse = "org.gnu.gdb.i386.sse"
    case replay = "org.chronovisor.replay"
  }

  var name: String
  /// A multiple of 8.
  var bits: Int
  /// gdb's name for the type (gdb manual, G.3).
  var type: String
  var group: String?
  var feature: Feature
  /// The same to an engine that decides a condition.
  var stopRegister: StopRegister?
  /// `nil` where the value is not known.
  var get: (RegisterSource) -> RegisterValue?
  /// `nil` for a register that cannot be written even in a diversion.
  var set: ((inout CPUState, RegisterValue) -> Void)?

  var byteCount: Int { bits / 8 }

  /// The value in target byte order; `nil` where it is not known.
  func bytes(from source: RegisterSource) -> [UInt8]? {
    guard let value = get(source) else { return nil }
    var result: [UInt8] = []
    result.append(littleEndian: value.low, count: min(byteCount, 8))
    if byteCount > 8 { result.append(littleEndian: value.high, count: byteCount - 8) }
    return result
  }

  /// The value as packets hold it: `x` instead of digits says that it is not available (gdb manual, E.2, packet `g`).
  func text(from source: RegisterSource) -> [UInt8] {
    bytes(from: source)?.hexText ?? [UInt8](repeating: UInt8(ascii: "x"), count: 2 * byteCount)
  }

  /// Reads what `bytes` wrote.
  func value(of bytes: [UInt8]) -> RegisterValue {
    var value = RegisterValue(0)
    for (index, byte) in bytes.enumerated() {
      if index < 8 {
        value.low |= UInt64(byte) << UInt64(8 * index)
      } else if index < 16 {
        value.high |= UInt64(byte) << UInt64(8 * (index - 8))
      }
    }
    return value
  }
}
