/// Registers and bits of the MC146818 (Motorola, 1984), and the PC's uses of its RAM.
enum RTCRegister {
  static let seconds = 0
  static let secondsAlarm = 1
  static let minutes = 2
  static let minutesAlarm = 3
  static let hours = 4
  static let hoursAlarm = 5
  static let weekday = 6
  static let day = 7
  static let month = 8
  static let year = 9
  static let a = 10
  static let b = 11
  static let c = 12
  static let d = 13
  static let century = 0x32
}

/// Register A.
enum RTCRegisterA {
  static let updateInProgress: UInt8 = 1 << 7
  static let rateMask: UInt8 = 0x0f
  /// DV = 11x: the divider chain is held in reset.
  static let dividerResetMask: UInt8 = 0x60
}

/// Register B.
enum RTCRegisterB {
  static let set: UInt8 = 1 << 7
  static let updateInterrupt: UInt8 = 1 << 4
  static let binary: UInt8 = 1 << 2
  static let hours24: UInt8 = 1 << 1
  static let daylightSaving: UInt8 = 1 << 0
}

/// Register C; the enable bits in register B are in the same places.
enum RTCRegisterC {
  static let interrupt: UInt8 = 1 << 7
  static let periodic: UInt8 = 1 << 6
  static let alarm: UInt8 = 1 << 5
  static let update: UInt8 = 1 << 4
  static let sources: UInt8 = 0x70
}
