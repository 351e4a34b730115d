/// What a PC makes of the CPU's signal FERR#: a latch that drives IRQ 13 until the handler writes to port 0xf0. It is
/// used where CR0.NE is clear.
public final class CoprocessorError: BytePortDevice {
  public struct State: DeviceState {
    var interruptLevel = false
    public init() {}
    public mutating func code(with coder: inout StateCoder) { coder.code(&interruptLevel) }
  }

  public let name = "fpu"
  private var state = State()
  private let interrupt: InterruptLine

  /// Port 0xf0 clears the latch; 0xf1 did so and reset the 287.
  public static let standardPorts = [PortRange(0xf0, count: 2)]

  /// - Parameter interrupt: IRQ 13.
  public init(interrupt: InterruptLine) { self.interrupt = interrupt }

  public func snapshot() -> State { state }
  public func restore(_ state: State) { self.state = state }

  /// FERR# has become active.
  public func signal() { set(true) }

  public func readByte(offset: UInt16, now: UInt64) -> UInt8 { 0xff }
  public func writeByte(offset: UInt16, value: UInt8, now: UInt64) { set(false) }

  private func set(_ level: Bool) {
    guard level != state.interruptLevel else { return }
    state.interruptLevel = level
    interrupt.set(level)
  }
}
