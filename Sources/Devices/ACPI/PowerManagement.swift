/// The fixed ACPI hardware (ACPI specification 6.4, 4.8): PM1 event and control registers and the PM timer.
///
/// The machine is in ACPI mode from the start: SCI_EN reads as 1, and there is no SMI command port.
public final class PowerManagement: BytePortDevice {
  public struct State: DeviceState {
    var status: UInt16 = 0
    var enable: UInt16 = 0
    /// BM_RLD and SLP_TYP.
    var control: UInt16 = 0
    /// Clocks of the timer since the machine's start.
    var clock: UInt64 = 0
    /// The level of the SCI.
    var interruptLevel = false

    public init() {}

    public mutating func code(with coder: inout StateCoder) {
      coder.code(&status)
      coder.code(&enable)
      coder.code(&control)
      coder.code(&clock)
      coder.code(&interruptLevel)
    }
  }

  /// PM1 status and enable, and PM1 control.
  private enum PM1 {
    static let timer: UInt16 = 1 << 0
    static let powerButton: UInt16 = 1 << 8
    /// Timer, global lock, power button, sleep button, RTC.
    static let enableBits: UInt16 = 0x0721
    static let sciEnable: UInt16 = 1 << 0
    static let controlBits: UInt16 = 0x1c02
    static let sleepTypeShift: UInt16 = 10
    static let sleepEnable: UInt16 = 1 << 13
  }

  public let name = "pm"
  private var state = State()
  private let timerBits: UInt64
  private let interrupt: InterruptLine
  private let request: MachineRequestSink

  /// Offset 0 PM1 status, 2 PM1 enable, 4 PM1 control, 8 to 11 the timer.
  public static let standardPorts = [PortRange(0x600, count: 12)]
  /// 3.579545 MHz.
  public static let frequency = Frequency(hertz: 3_579_545)
  /// SLP_TYP of S5 (soft off), as the ACPI tables name it.
  public static let softOffSleepType: UInt16 = 0

  /// - Parameters:
  ///   - timerBits: 24, or 32 (TMR_VAL_EXT).
  ///   - interrupt: the SCI, level-triggered.
  public init(timerBits: Int = 24, interrupt: InterruptLine, request: @escaping MachineRequestSink) {
    self.timerBits = timerBits == 32 ? 32 : 24
    self.interrupt = interrupt
    self.request = request
  }

  public func snapshot() -> State { state }
  public func restore(_ state: State) { self.state = state }

  /// Somebody pressed the power button.
  public func pressPowerButton(now: UInt64) {
    advance(to: now)
    state.status |= PM1.powerButton
    updateInterrupt()
  }

  public func readByte(offset: UInt16, now: UInt64) -> UInt8 {
    advance(to: now)
    switch offset {
    case 0, 1: return byte(UInt64(state.status), offset)
    case 2, 3: return byte(UInt64(state.enable), offset - 2)
    case 4, 5: return byte(UInt64(state.control | PM1.sciEnable), offset - 4)
    case 6, 7: return 0
    case 8...11: return byte(state.clock & (1 << timerBits - 1), offset - 8)
    default: return 0xff
    }
  }

  private func byte(_ value: UInt64, _ index: UInt16) -> UInt8 {
    UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
  }

  public func writeByte(offset: UInt16, value: UInt8, now: UInt64) {
    advance(to: now)
    let low = UInt16(value)
    switch offset {
    case 0: state.status &= ~low
    case 1: state.status &= ~(low << 8)
    case 2: state.enable = (state.enable & 0xff00 | low) & PM1.enableBits
    case 3: state.enable = (state.enable & 0x00ff | low << 8) & PM1.enableBits
    case 4: state.control = (state.control & 0xff00 | low) & PM1.controlBits
    case 5: writeSleep(low << 8)
    default: return
    }
    updateInterrupt()
  }

  /// SLP_EN puts the machine to sleep as SLP_TYP says. S5 is all it knows.
  private func writeSleep(_ high: UInt16) {
    state.control = (state.control & 0x00ff | high) & PM1.controlBits
    let type = state.control >> PM1.sleepTypeShift & 7
    if high & PM1.sleepEnable != 0, type == PowerManagement.softOffSleepType { request(.powerOff) }
  }

  /// The timer's status bit is set whenever its highest bit changes.
  public func advance(to now: UInt64) {
    let clock = PowerManagement.frequency.ticks(at: now)
    guard clock > state.clock else { return }
    if clock >> (timerBits - 1) != state.clock >> (timerBits - 1) { state.status |= PM1.timer }
    state.clock = clock
    updateInterrupt()
  }

  public var nextDeadline: UInt64? {
    guard state.enable & ~state.status & PM1.timer != 0 else { return nil }
    let half = timerBits - 1
    return PowerManagement.frequency.time(ofTick: (state.clock >> half &+ 1) << half)
  }

  private func updateInterrupt() {
    let level = state.status & state.enable & PM1.enableBits != 0
    if level != state.interruptLevel {
      state.interruptLevel = level
      interrupt.set(level)
    }
  }
}
