/// The two cascaded 8259A of a PC, with the edge/level control registers of later chipsets.
public final class DualPIC: BytePortDevice {
  public struct State: DeviceState {
    var master = PICChip(cascadeMask: 1 << DualPIC.cascadeLine, levelMask: 0xf8)
    var slave = PICChip(cascadeMask: 0, levelMask: 0xde)

    public init() {}

    public mutating func code(with coder: inout StateCoder) {
      coder.code(&master)
      coder.code(&slave)
    }
  }

  public let name = "pic"
  private var state = State()
  /// The output of the master, INTR of the CPU.
  public private(set) var hasInterrupt = false

  /// Offsets 0 and 1 are the master, 2 and 3 the slave, 4 and 5 the ELCR.
  public static let standardPorts = [
    PortRange(0x20, count: 2, firstOffset: 0), PortRange(0xa0, count: 2, firstOffset: 2),
    PortRange(0x4d0, count: 2, firstOffset: 4),
  ]

  /// The master's input that the slave drives.
  static let cascadeLine: UInt8 = 2

  private let output: InterruptLine

  /// - Parameter output: the master's output, for who must see its edges; the CPU asks `hasInterrupt`.
  public init(output: InterruptLine = .unconnected) { self.output = output }

  public func snapshot() -> State { state }
  public func restore(_ state: State) {
    self.state = state
    hasInterrupt = state.master.output
  }

  /// Drives the lines IRQ 0 to 15. IRQ 2 is the cascade: nothing can be connected there.
  public func setLine(_ line: UInt8, _ level: Bool) {
    switch line {
    case DualPIC.cascadeLine: return
    case 0..<8: state.master.setLine(line, level)
    case 8..<16: state.slave.setLine(line - 8, level)
    default: return
    }
    update()
  }

  /// A line of the controller for a device to drive. It keeps the controller alive.
  public func line(_ number: UInt8) -> InterruptLine {
    InterruptLine { level in self.setLine(number, level) }
  }

  /// The CPU takes the interrupt: two INTA cycles. The answer is its vector: that of IRQ 7 or 15 when the request went
  /// away in the meantime, with nothing of that in service.
  public func acknowledge() -> UInt8 {
    defer { update() }
    guard let line = state.master.acknowledge() else { return state.master.vector(of: 7) }
    guard line == DualPIC.cascadeLine else { return state.master.vector(of: line) }
    guard let slaveLine = state.slave.acknowledge() else { return state.slave.vector(of: 7) }
    return state.slave.vector(of: slaveLine)
  }

  public func readByte(offset: UInt16, now: UInt64) -> UInt8 {
    // Reading may acknowledge (poll).
    defer { update() }
    switch offset {
    case 0, 1: return state.master.read(a0: offset == 1)
    case 2, 3: return state.slave.read(a0: offset == 3)
    case 4: return state.master.levelTriggered
    case 5: return state.slave.levelTriggered
    default: return 0xff
    }
  }

  public func writeByte(offset: UInt16, value: UInt8, now: UInt64) {
    switch offset {
    case 0, 1: state.master.write(a0: offset == 1, value)
    case 2, 3: state.slave.write(a0: offset == 3, value)
    case 4: state.master.writeELCR(value)
    case 5: state.slave.writeELCR(value)
    default: return
    }
    update()
  }

  private func update() {
    state.master.setLine(DualPIC.cascadeLine, state.slave.output)
    let level = state.master.output
    if level != hasInterrupt {
      hasInterrupt = level
      output.set(level)
    }
  }
}
