/// A PS/2 keyboard that nobody types on: it only answers its controller (IBM PS/2 hardware reference, keyboard).
struct Keyboard: StatePart {
  /// The command that waits for its parameter, or 0.
  private var awaiting: UInt8 = 0
  /// The last byte sent, for the resend command.
  private var lastSent: UInt8 = 0
  private var scanCodeSet: UInt8 = 2

  private enum Command {
    static let setLights: UInt8 = 0xed
    static let echo: UInt8 = 0xee
    static let scanCodeSet: UInt8 = 0xf0
    static let identify: UInt8 = 0xf2
    static let setRate: UInt8 = 0xf3
    static let enable: UInt8 = 0xf4
    static let setDefaultsOff: UInt8 = 0xf5
    static let setDefaults: UInt8 = 0xf6
    /// For set 3: the types of all keys.
    static let typesOfAll: ClosedRange<UInt8> = 0xf7...0xfa
    /// For set 3: the types of the keys whose codes follow.
    static let typesOfSome: ClosedRange<UInt8> = 0xfb...0xfd
    static let resend: UInt8 = 0xfe
    static let reset: UInt8 = 0xff
  }
  private static let acknowledge: UInt8 = 0xfa
  private static let notUnderstood: UInt8 = 0xfe
  private static let selfTestPassed: UInt8 = 0xaa

  /// The answer to a byte from the controller.
  mutating func answer(to byte: UInt8) -> [UInt8] {
    let answer = awaiting != 0 && byte < Command.setLights ? take(parameter: byte) : take(command: byte)
    lastSent = answer.last ?? lastSent
    return answer
  }

  private mutating func take(parameter byte: UInt8) -> [UInt8] {
    // Any number of codes follows.
    if Command.typesOfSome.contains(awaiting) { return [Keyboard.acknowledge] }
    defer { awaiting = 0 }
    guard awaiting == Command.scanCodeSet else { return [Keyboard.acknowledge] }
    if byte == 0 { return [Keyboard.acknowledge, scanCodeSet] }
    guard byte <= 3 else { return [Keyboard.notUnderstood] }
    scanCodeSet = byte
    return [Keyboard.acknowledge]
  }

  private mutating func take(command byte: UInt8) -> [UInt8] {
    awaiting = 0
    switch byte {
    case Command.reset:
      scanCodeSet = 2
      return [Keyboard.acknowledge, Keyboard.selfTestPassed]
    case Command.identify: return [Keyboard.acknowledge, 0xab, 0x83]
    case Command.echo: return [Command.echo]
    case Command.setLights, Command.scanCodeSet, Command.setRate, Command.typesOfSome:
      awaiting = byte
      return [Keyboard.acknowledge]
    case Command.setDefaults, Command.setDefaultsOff:
      scanCodeSet = 2
      return [Keyboard.acknowledge]
    case Command.enable, Command.typesOfAll: return [Keyboard.acknowledge]
    case Command.resend: return [lastSent]
    default: return [Keyboard.notUnderstood]
    }
  }

  mutating func code(with coder: inout StateCoder) {
    coder.code(&awaiting)
    coder.code(&lastSent)
    coder.code(&scanCodeSet)
  }
}
