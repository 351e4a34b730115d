/// The MC146818 real-time clock and CMOS RAM of a PC.
///
/// The time of day is the start epoch plus the machine's time; the guest can set it. Port 0x70 also holds the bit that
/// keeps NMIs from the CPU.
public final class RTC: BytePortDevice {
  public struct State: DeviceState {
    /// The 128 bytes. Register C holds the flags without IRQF.
    var registers = [UInt8](repeating: 0, count: 128)
    /// What port 0x70 was last written: the register in bits 6:0, NMI off in bit 7.
    var index: UInt8 = 0
    /// The time up to which the clock has run.
    var time: UInt64 = 0
    /// The updates come at this nanosecond of each second of the machine's time.
    var phase: UInt64 = 0
    /// See `RTCCalendar.isHourRepeated`.
    var isHourRepeated = false
    /// The level of IRQ 8.
    var interruptLevel = false

    public init() {}

    public mutating func code(with coder: inout StateCoder) {
      coder.codeFixed(&registers)
      coder.code(&index)
      coder.code(&time)
      coder.code(&phase)
      coder.code(&isHourRepeated)
      coder.code(&interruptLevel)
      coder.require(phase < RTC.second)
    }
  }

  public let name = "rtc"
  private var state = State()
  private let interrupt: InterruptLine

  public static let standardPorts = [PortRange(0x70, count: 2)]

  static let second = Frequency.nanoseconds
  private static let tickRate: UInt64 = 32_768
  /// UIP rises 244 us before an update that takes 1984 us (data sheet, table 5).
  private static let updateInProgressTime: UInt64 = 2_228_000

  /// - Parameters:
  ///   - epoch: the time of day at the machine's start, in seconds since 1970-01-01 UTC.
  ///   - memorySize: bytes of RAM, for the sizes that a PC keeps in the CMOS RAM.
  ///   - interrupt: IRQ 8.
  public init(epoch: UInt64, memorySize: UInt64 = 0, interrupt: InterruptLine) {
    self.interrupt = interrupt
    state.registers[RTCRegister.a] = 0x26
    state.registers[RTCRegister.b] = RTCRegisterB.hours24
    state.registers[RTCRegister.d] = 0x80
    setMemorySize(memorySize)
    var calendar = RTCCalendar(registers: state.registers)
    calendar.set(unixTime: epoch)
    state.registers = calendar.registers
  }

  public func snapshot() -> State { state }
  public func restore(_ state: State) { self.state = state }

  /// Bit 7 of port 0x70: the board keeps NMIs from the CPU.
  public var masksNMI: Bool { state.index & 0x80 != 0 }

  public func readByte(offset: UInt16, now: UInt64) -> UInt8 {
    guard offset == 1 else { return 0xff }
    advance(to: now)
    let register = Int(state.index & 0x7f)
    switch register {
    case RTCRegister.a: return state.registers[register] | (isUpdating ? RTCRegisterA.updateInProgress : 0)
    case RTCRegister.c: return readFlags()
    default: return state.registers[register]
    }
  }

  public func writeByte(offset: UInt16, value: UInt8, now: UInt64) {
    advance(to: now)
    if offset == 0 { state.index = value }
    guard offset == 1 else { return }
    let register = Int(state.index & 0x7f)
    switch register {
    case RTCRegister.a: writeA(value)
    case RTCRegister.b:
      // SET going up clears UIE.
      let setRises = value & ~state.registers[register] & RTCRegisterB.set != 0
      state.registers[register] = setRises ? value & ~RTCRegisterB.updateInterrupt : value
      if setRises { state.isHourRepeated = false }
      updateInterrupt()
    case RTCRegister.c, RTCRegister.d: break
    default: state.registers[register] = value
    }
  }

  private func readFlags() -> UInt8 {
    let flags = state.registers[RTCRegister.c] | (state.interruptLevel ? RTCRegisterC.interrupt : 0)
    state.registers[RTCRegister.c] = 0
    updateInterrupt()
    return flags
  }

  private func writeA(_ value: UInt8) {
    let wasRunning = isRunning
    state.registers[RTCRegister.a] = value & ~RTCRegisterA.updateInProgress
    // The first update comes half a second after the divider is let go.
    if isRunning, !wasRunning { state.phase = (state.time % RTC.second + RTC.second / 2) % RTC.second }
  }

  private func updateInterrupt() {
    let level = state.registers[RTCRegister.b] & state.registers[RTCRegister.c] & RTCRegisterC.sources != 0
    if level != state.interruptLevel {
      state.interruptLevel = level
      interrupt.set(level)
    }
  }

  /// Base memory, extended memory, and memory above 16 MiB and 4 GiB, where a PC's firmware puts them.
  private func setMemorySize(_ size: UInt64) {
    func put(_ value: UInt64, at low: Int) {
      state.registers[low] = UInt8(truncatingIfNeeded: value)
      state.registers[low + 1] = UInt8(truncatingIfNeeded: value >> 8)
    }
    let (kib, mib, gib): (UInt64, UInt64, UInt64) = (1 << 10, 1 << 20, 1 << 30)
    put(min(size / kib, 640), at: 0x15)
    let extended = min(size > mib ? (size - mib) / kib : 0, 0xffff)
    put(extended, at: 0x17)
    put(extended, at: 0x30)
    put(min(size > 16 * mib ? (min(size, 4 * gib) - 16 * mib) >> 16 : 0, 0xffff), at: 0x34)
    let high = min(size > 4 * gib ? (size - 4 * gib) >> 16 : 0, 0xff_ffff)
    put(high, at: 0x5b)
    state.registers[0x5d] = UInt8(truncatingIfNeeded: high >> 16)
  }
}

// MARK: Time

extension RTC {
  /// The divider chain is not held in reset.
  private var isRunning: Bool {
    state.registers[RTCRegister.a] & RTCRegisterA.dividerResetMask != RTCRegisterA.dividerResetMask
  }

  /// Once a second the clock moves on: SET stops that.
  private var updates: Bool { isRunning && state.registers[RTCRegister.b] & RTCRegisterB.set == 0 }

  private var isUpdating: Bool {
    updates && (nextUpdate.map { $0 - state.time <= RTC.updateInProgressTime } ?? false)
  }

  /// Updates up to `time`.
  private func updateCount(at time: UInt64) -> UInt64 {
    time / RTC.second + (time % RTC.second >= state.phase ? 1 : 0)
  }

  private var nextUpdate: UInt64? { time(ofUpdate: updateCount(at: state.time)) }

  private func time(ofUpdate number: UInt64) -> UInt64? {
    let (time, overflow) = number.multipliedReportingOverflow(by: RTC.second)
    let (sum, overflows) = time.addingReportingOverflow(state.phase)
    return overflow || overflows ? nil : sum
  }

  /// Ticks of the 32,768 Hz clock up to `time`, aligned so that every update is at a multiple of 32,768.
  private func ticks(at time: UInt64) -> UInt64 {
    let inSecond = (time % RTC.second + RTC.second - state.phase) % RTC.second
    return updateCount(at: time) * RTC.tickRate + inSecond * RTC.tickRate / RTC.second
  }

  /// The period of the periodic interrupt in ticks (data sheet, table 3); `nil` for none.
  private var periodicTicks: UInt64? {
    let rate = state.registers[RTCRegister.a] & RTCRegisterA.rateMask
    guard isRunning, rate != 0 else { return nil }
    // Rates 1 and 2 are other names of 8 and 9.
    return 1 << UInt64(rate <= 2 ? rate + 6 : rate - 1)
  }

  public func advance(to now: UInt64) {
    guard now > state.time else { return }
    if let period = periodicTicks, ticks(at: now) / period != ticks(at: state.time) / period {
      state.registers[RTCRegister.c] |= RTCRegisterC.periodic
    }
    let seconds = updateCount(at: now) - updateCount(at: state.time)
    if updates, seconds > 0 {
      var calendar = RTCCalendar(registers: state.registers)
      calendar.isHourRepeated = state.isHourRepeated
      let rings = calendar.tick(seconds: seconds)
      state.registers = calendar.registers
      state.isHourRepeated = calendar.isHourRepeated
      state.registers[RTCRegister.c] |= RTCRegisterC.update | (rings ? RTCRegisterC.alarm : 0)
    }
    state.time = now
    updateInterrupt()
  }

  public var nextDeadline: UInt64? {
    let wanted = state.registers[RTCRegister.b] & ~state.registers[RTCRegister.c]
    var deadline: UInt64?
    if updates, wanted & (RTCRegisterC.update | RTCRegisterC.alarm) != 0 { deadline = nextUpdate }
    if wanted & RTCRegisterC.periodic != 0, let periodic = nextPeriodic {
      deadline = min(deadline ?? periodic, periodic)
    }
    return deadline
  }

  private var nextPeriodic: UInt64? {
    guard let period = periodicTicks else { return nil }
    let tick = (ticks(at: state.time) / period + 1) * period
    let (update, rest) = tick.quotientAndRemainder(dividingBy: RTC.tickRate)
    let inSecond = (rest * RTC.second + RTC.tickRate - 1) / RTC.tickRate
    // Tick 0 lies one second before the first update.
    guard let base = time(ofUpdate: update) else { return nil }
    return base.addingClamped(inSecond) - RTC.second
  }
}
