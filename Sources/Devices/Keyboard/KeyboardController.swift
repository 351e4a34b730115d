/// The 8042 keyboard controller of a PC with a keyboard that nobody types on, no mouse, and port 0x92.
///
/// A20 can be written and read; it is always open, as in every PC of this century.
public final class KeyboardController: BytePortDevice {
  public struct State: DeviceState {
    var keyboard = Keyboard()
    /// As a PC's firmware leaves it: interrupt on, tested, no mouse, translation.
    var commandByte: UInt8 = 0x65
    /// The command that waits for its data byte, or 0.
    var awaiting: UInt8 = 0
    /// The last write went to port 0x64.
    var lastWasCommand = false
    /// As the controller's last write left it; the lines to keyboard and mouse are idle.
    var outputPort: UInt8 = 0xcf
    /// The output buffer; what it held last stays to be read again.
    var output: UInt8 = 0
    var isOutputFull = false
    /// Answers of the controller itself, then those of the keyboard, that wait for the output buffer.
    var answers: [UInt8] = []
    var keys: [UInt8] = []
    /// The level of IRQ 1.
    var interruptLevel = false

    static let limit = 16

    public init() {}

    public mutating func code(with coder: inout StateCoder) {
      coder.code(&keyboard)
      coder.code(&commandByte)
      coder.code(&awaiting)
      coder.code(&lastWasCommand)
      coder.code(&outputPort)
      coder.code(&output)
      coder.code(&isOutputFull)
      coder.code(&answers, limit: State.limit)
      coder.code(&keys, limit: State.limit)
      coder.code(&interruptLevel)
    }
  }

  private enum Status {
    static let outputFull: UInt8 = 1 << 0
    static let tested: UInt8 = 1 << 2
    static let command: UInt8 = 1 << 3
    static let unlocked: UInt8 = 1 << 4
  }

  private enum CommandByte {
    static let interrupt: UInt8 = 1 << 0
    static let tested: UInt8 = 1 << 2
    static let keyboardOff: UInt8 = 1 << 4
    static let mouseOff: UInt8 = 1 << 5
    static let translate: UInt8 = 1 << 6
  }

  private enum Command {
    static let readCommandByte: UInt8 = 0x20
    static let writeCommandByte: UInt8 = 0x60
    static let mouseOff: UInt8 = 0xa7
    static let mouseOn: UInt8 = 0xa8
    static let testMouse: UInt8 = 0xa9
    static let selfTest: UInt8 = 0xaa
    static let testKeyboard: UInt8 = 0xab
    static let keyboardOff: UInt8 = 0xad
    static let keyboardOn: UInt8 = 0xae
    static let readInputPort: UInt8 = 0xc0
    static let readOutputPort: UInt8 = 0xd0
    static let writeOutputPort: UInt8 = 0xd1
    static let writeKeyboardBuffer: UInt8 = 0xd2
    static let writeMouseBuffer: UInt8 = 0xd3
    static let writeMouse: UInt8 = 0xd4
    /// As the HP Vectra's controller had them; many kernels try these.
    static let closeA20: UInt8 = 0xdd
    static let openA20: UInt8 = 0xdf
    static let readTestInputs: UInt8 = 0xe0
    /// 0xf0 to 0xff: low pulses on the output lines whose bits are clear.
    static let pulse: UInt8 = 0xf0
  }

  /// The controller's output port, and port 0x92.
  private enum OutputPort {
    /// Low resets the CPU.
    static let noReset: UInt8 = 1 << 0
    static let a20: UInt8 = 1 << 1
    static let outputFull: UInt8 = 1 << 4
    /// The interrupts, which follow the output buffer.
    static let interrupts: UInt8 = 1 << 4 | 1 << 5
    static let fastReset: UInt8 = 1 << 0
  }

  public let name = "i8042"
  private var state = State()
  private let interrupt: InterruptLine
  private let request: MachineRequestSink

  /// Offset 0 is port 0x60, 1 port 0x64, 2 port 0x92.
  public static let standardPorts = [
    PortRange(0x60, count: 1, firstOffset: 0), PortRange(0x64, count: 1, firstOffset: 1),
    PortRange(0x92, count: 1, firstOffset: 2),
  ]

  /// - Parameters:
  ///   - interrupt: IRQ 1.
  ///   - request: takes the reset requests.
  public init(interrupt: InterruptLine, request: @escaping MachineRequestSink) {
    self.interrupt = interrupt
    self.request = request
  }

  public func snapshot() -> State { state }
  public func restore(_ state: State) { self.state = state }

  public func readByte(offset: UInt16, now: UInt64) -> UInt8 {
    switch offset {
    case 0: return readData()
    case 1:
      return Status.unlocked | (state.isOutputFull ? Status.outputFull : 0)
        | (state.commandByte & CommandByte.tested != 0 ? Status.tested : 0)
        | (state.lastWasCommand ? Status.command : 0)
    case 2: return state.outputPort & OutputPort.a20
    default: return 0xff
    }
  }

  public func writeByte(offset: UInt16, value: UInt8, now: UInt64) {
    switch offset {
    case 0:
      state.lastWasCommand = false
      writeData(value)
    case 1:
      state.lastWasCommand = true
      state.awaiting = 0
      run(command: value)
    case 2:
      state.outputPort = state.outputPort & ~OutputPort.a20 | value & OutputPort.a20
      if value & OutputPort.fastReset != 0 { request(.reset) }
    default: return
    }
    fillOutput()
  }

  private func readData() -> UInt8 {
    let byte = state.output
    state.isOutputFull = false
    updateInterrupt()
    fillOutput()
    return byte
  }

  /// Moves what waits into the output buffer.
  private func fillOutput() {
    if !state.isOutputFull {
      if !state.answers.isEmpty {
        state.output = state.answers.removeFirst()
        state.isOutputFull = true
      } else if !state.keys.isEmpty, state.commandByte & CommandByte.keyboardOff == 0 {
        state.output = translate(state.keys.removeFirst())
        state.isOutputFull = true
      }
    }
    updateInterrupt()
  }

  /// From scan code set 2 to set 1, as far as an untouched keyboard's answers go.
  private func translate(_ byte: UInt8) -> UInt8 {
    guard state.commandByte & CommandByte.translate != 0 else { return byte }
    return switch byte {
    case 0x83: 0x41
    case 0x01: 0x43
    case 0x02: 0x41
    case 0x03: 0x3f
    default: byte
    }
  }

  private func updateInterrupt() {
    let level = state.isOutputFull && state.commandByte & CommandByte.interrupt != 0
    if level != state.interruptLevel {
      state.interruptLevel = level
      interrupt.set(level)
    }
  }

  private func answer(_ byte: UInt8) {
    if state.answers.count < State.limit { state.answers.append(byte) }
  }

  private func run(command: UInt8) {
    switch command {
    case Command.readCommandByte: answer(state.commandByte)
    case Command.writeCommandByte, Command.writeOutputPort, Command.writeKeyboardBuffer, Command.writeMouseBuffer,
      Command.writeMouse:
      state.awaiting = command
    case Command.mouseOff: state.commandByte |= CommandByte.mouseOff
    case Command.mouseOn: state.commandByte &= ~CommandByte.mouseOff
    case Command.testMouse: answer(0x02)  // The clock line is stuck: there is no mouse port.
    case Command.selfTest:
      state.commandByte |= CommandByte.tested
      answer(0x55)
    case Command.testKeyboard: answer(0x00)
    case Command.keyboardOff: state.commandByte |= CommandByte.keyboardOff
    case Command.keyboardOn: state.commandByte &= ~CommandByte.keyboardOff
    case Command.readInputPort: answer(0x80)
    case Command.readOutputPort:
      answer(state.outputPort | (state.isOutputFull ? OutputPort.outputFull : 0))
    case Command.closeA20: state.outputPort &= ~OutputPort.a20
    case Command.openA20: state.outputPort |= OutputPort.a20
    case Command.readTestInputs: answer(0x00)
    case Command.pulse...: if command & OutputPort.noReset == 0 { request(.reset) }
    default: break
    }
  }

  private func writeData(_ value: UInt8) {
    let command = state.awaiting
    state.awaiting = 0
    switch command {
    case Command.writeCommandByte: state.commandByte = value
    case Command.writeOutputPort:
      state.outputPort = value & ~OutputPort.interrupts | OutputPort.noReset
      if value & OutputPort.noReset == 0 { request(.reset) }
    // Without a mouse port the mouse's buffer is the keyboard's.
    case Command.writeKeyboardBuffer, Command.writeMouseBuffer: answer(value)
    case Command.writeMouse: answer(0xfe)
    default:
      state.commandByte &= ~CommandByte.keyboardOff
      let bytes = state.keyboard.answer(to: value)
      if state.keys.count + bytes.count <= State.limit { state.keys += bytes }
    }
  }
}
