/// Register offsets of the xAPIC (Intel SDM vol. 3, table 11-1).
enum APICRegister {
  static let id: UInt64 = 0x20
  static let version: UInt64 = 0x30
  static let taskPriority: UInt64 = 0x80
  static let arbitrationPriority: UInt64 = 0x90
  static let processorPriority: UInt64 = 0xa0
  static let endOfInterrupt: UInt64 = 0xb0
  static let remoteRead: UInt64 = 0xc0
  static let logicalDestination: UInt64 = 0xd0
  static let destinationFormat: UInt64 = 0xe0
  static let spurious: UInt64 = 0xf0
  static let inService: UInt64 = 0x100
  static let triggerMode: UInt64 = 0x180
  static let request: UInt64 = 0x200
  static let errorStatus: UInt64 = 0x280
  static let commandLow: UInt64 = 0x300
  static let commandHigh: UInt64 = 0x310
  static let timerVector: UInt64 = 0x320
  static let errorVector: UInt64 = 0x370
  static let initialCount: UInt64 = 0x380
  static let currentCount: UInt64 = 0x390
  static let divideConfiguration: UInt64 = 0x3e0
}

/// An entry of the local vector table (11.5.1).
struct LocalVector: StatePart {
  static let mask: UInt32 = 1 << 16
  /// A level-triggered interrupt of the pin is being served: set when it is accepted, reset by its EOI.
  static let remoteIRR: UInt32 = 1 << 14
  /// The bits that can be written, entry by entry: timer, thermal, performance, LINT0, LINT1, error. Bit 18 of the
  /// timer's is for TSC-deadline mode, which the CPU does not have.
  static let writable: [UInt32] = [0x3_00ff, 0x1_07ff, 0x1_07ff, 0x1_a7ff, 0x1_a7ff, 0x1_00ff]

  var word: UInt32 = LocalVector.mask

  var vector: UInt8 { UInt8(truncatingIfNeeded: word) }
  var isMasked: Bool { word & LocalVector.mask != 0 }
  /// Bit 15, which counts in fixed mode.
  var isLevelTriggered: Bool { mode == .fixed && word & 1 << 15 != 0 }
  var mode: InterruptMessage.DeliveryMode { .init(rawValue: UInt8(word >> 8 & 7)) ?? .reserved }

  mutating func code(with coder: inout StateCoder) { coder.code(&word) }
}

/// ESR (11.5.3).
enum APICError {
  static let sendIllegalVector: UInt32 = 1 << 5
  static let receiveIllegalVector: UInt32 = 1 << 6
  static let illegalRegister: UInt32 = 1 << 7
}
