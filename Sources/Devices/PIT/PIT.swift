/// The 8254 interval timer of a PC, and port 0x61, which gates counter 2 and shows it.
///
/// Counter 0 drives IRQ 0. Counter 1 once refreshed the memory: port 0x61 shows its usual pace whether or not it is
/// programmed.
public final class PIT: BytePortDevice {
  public struct State: DeviceState {
    /// Clocks since the machine's start up to which the counters have run.
    var clock: UInt64 = 0
    var counter0 = PITCounter(gate: true)
    var counter1 = PITCounter(gate: true)
    var counter2 = PITCounter(gate: false)
    /// The bits of port 0x61 that can be written.
    var systemControl: UInt8 = 0
    /// The level of IRQ 0.
    var interruptLevel = false

    public init() {}

    public mutating func code(with coder: inout StateCoder) {
      coder.code(&clock)
      coder.code(&counter0)
      coder.code(&counter1)
      coder.code(&counter2)
      coder.code(&systemControl)
      coder.code(&interruptLevel)
    }
  }

  /// Port 0x61, "system control port B".
  private enum SystemControl {
    static let gate2: UInt8 = 1 << 0
    /// Gate 2, speaker, parity check off, channel check off.
    static let writable: UInt8 = 0x0f
    static let refresh: UInt8 = 1 << 4
    static let out2: UInt8 = 1 << 5
  }

  public let name = "pit"
  private var state = State()
  private let interrupt: InterruptLine

  /// The clock of the counters: 14.31818 MHz / 12.
  public static let frequency = Frequency(hertz: 1_193_182)
  /// Clocks between two refresh requests, some 15 us.
  private static let refreshPeriod: UInt64 = 18

  /// Offsets 0 to 2 are the counters, 3 the control word, 4 port 0x61.
  public static let standardPorts = [PortRange(0x40, count: 4), PortRange(0x61, count: 1, firstOffset: 4)]

  /// - Parameter interrupt: OUT of counter 0, which a PC connects to IRQ 0.
  public init(interrupt: InterruptLine) { self.interrupt = interrupt }

  public func snapshot() -> State { state }
  public func restore(_ state: State) { self.state = state }

  public func advance(to now: UInt64) {
    let clock = PIT.frequency.ticks(at: now)
    guard clock > state.clock else { return }
    let clocks = clock - state.clock
    state.clock = clock
    let rose = state.counter0.run(clocks: clocks)
    _ = state.counter1.run(clocks: clocks)
    _ = state.counter2.run(clocks: clocks)
    updateInterrupt(rose: rose)
  }

  public var nextDeadline: UInt64? {
    state.counter0.clocksToRise.map { PIT.frequency.time(ofTick: state.clock.addingClamped($0)) }
  }

  public func readByte(offset: UInt16, now: UInt64) -> UInt8 {
    advance(to: now)
    switch offset {
    case 0: return state.counter0.read()
    case 1: return state.counter1.read()
    case 2: return state.counter2.read()
    case 4: return readSystemControl()
    default: return 0xff  // The control word cannot be read.
    }
  }

  public func writeByte(offset: UInt16, value: UInt8, now: UInt64) {
    advance(to: now)
    switch offset {
    case 0: state.counter0.write(value)
    case 1: state.counter1.write(value)
    case 2: state.counter2.write(value)
    case 3: writeControl(value)
    case 4:
      state.systemControl = value & SystemControl.writable
      state.counter2.setGate(value & SystemControl.gate2 != 0)
    default: return
    }
    updateInterrupt(rose: false)
  }

  private func writeControl(_ value: UInt8) {
    switch value >> 6 {
    case 0: state.counter0.writeControl(value)
    case 1: state.counter1.writeControl(value)
    case 2: state.counter2.writeControl(value)
    default: readBack(value)
    }
  }

  /// The read-back command: bits 5 and 4, active low, latch count and status of the counters that bits 3 to 1 name.
  private func readBack(_ value: UInt8) {
    func latch(_ counter: inout PITCounter) {
      if value & 0x20 == 0 { counter.latchCount() }
      if value & 0x10 == 0 { counter.latchStatus() }
    }
    if value & 0x02 != 0 { latch(&state.counter0) }
    if value & 0x04 != 0 { latch(&state.counter1) }
    if value & 0x08 != 0 { latch(&state.counter2) }
  }

  private func readSystemControl() -> UInt8 {
    let refresh = state.clock / PIT.refreshPeriod & 1 != 0
    return state.systemControl | (refresh ? SystemControl.refresh : 0)
      | (state.counter2.out ? SystemControl.out2 : 0)
  }

  /// Shows the line what OUT of counter 0 did: at least one edge if it rose, and its level now.
  private func updateInterrupt(rose: Bool) {
    let level = state.counter0.out
    if rose {
      if state.interruptLevel { interrupt.set(false) }
      interrupt.set(true)
      state.interruptLevel = true
    }
    if level != state.interruptLevel {
      state.interruptLevel = level
      interrupt.set(level)
    }
  }
}
