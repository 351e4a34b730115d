/// An 82093AA I/O APIC (Intel order number 290566) with 24 pins.
///
/// Pins see assertion, not voltage: the polarity bits are held but change nothing.
public final class IOAPIC: WordRegisterDevice {
  public struct State: DeviceState {
    var select: UInt8 = 0
    /// As the firmware sets it.
    var id: UInt8 = IOAPIC.standardID
    var entries = [UInt64](repeating: Entry.mask, count: IOAPIC.pinCount)
    /// The levels of the pins.
    var pins: UInt32 = 0

    public init() {}

    public mutating func code(with coder: inout StateCoder) {
      coder.code(&select)
      coder.code(&id)
      coder.codeFixed(&entries)
      coder.code(&pins)
    }
  }

  /// A redirection table entry (data sheet, 3.2.4).
  private enum Entry {
    static let remoteIRR: UInt64 = 1 << 14
    static let levelTriggered: UInt64 = 1 << 15
    static let mask: UInt64 = 1 << 16
    /// Without delivery status and remote IRR.
    static let writable: UInt64 = 0xff00_0000_0001_afff
  }

  private enum Register {
    static let id: UInt8 = 0
    static let version: UInt8 = 1
    static let arbitration: UInt8 = 2
    static let redirection: UInt8 = 0x10
  }

  public let name = "ioapic"
  private var state = State()
  private let send: (InterruptMessage) -> Bool

  public static let standardAddress: UInt64 = 0xfec0_0000
  public static let addressCount: UInt64 = 0x1000
  public static let pinCount = 24
  /// Its ID in the firmware's tables.
  public static let standardID: UInt8 = 1

  /// - Parameter send: takes messages to the local APIC; true when it was accepted.
  public init(send: @escaping (InterruptMessage) -> Bool) { self.send = send }

  public func snapshot() -> State { state }
  public func restore(_ state: State) { self.state = state }

  /// Drives one of the pins 0 to 23.
  public func setPin(_ pin: Int, _ level: Bool) {
    guard (0..<IOAPIC.pinCount).contains(pin) else { return }
    let bit: UInt32 = 1 << UInt32(pin)
    let rises = level && state.pins & bit == 0
    state.pins = level ? state.pins | bit : state.pins & ~bit
    if state.entries[pin] & Entry.levelTriggered != 0 {
      serveLevel(pin)
    } else if rises, state.entries[pin] & Entry.mask == 0 {
      // An edge at a masked pin is lost.
      _ = send(message(of: pin))
    }
  }

  /// The way of the 8259A's interrupts through pin 0 when that is open and in ExtINT mode. The output of the 8259A is
  /// not latched: who takes the interrupt asks it.
  var externalMessage: InterruptMessage? {
    let message = message(of: 0)
    return state.entries[0] & Entry.mask == 0 && message.mode == .external ? message : nil
  }

  /// The local APIC has ended the interrupt with this vector.
  public func endOfInterrupt(_ vector: UInt8) {
    for pin in 0..<IOAPIC.pinCount
    where state.entries[pin] & Entry.levelTriggered != 0 && UInt8(truncatingIfNeeded: state.entries[pin]) == vector {
      state.entries[pin] &= ~Entry.remoteIRR
      serveLevel(pin)
    }
  }

  /// Sends a level-triggered interrupt if the pin is high and the last one has ended.
  private func serveLevel(_ pin: Int) {
    let entry = state.entries[pin]
    guard state.pins & 1 << UInt32(pin) != 0, entry & (Entry.mask | Entry.remoteIRR) == 0 else { return }
    if send(message(of: pin)) { state.entries[pin] |= Entry.remoteIRR }
  }

  private func message(of pin: Int) -> InterruptMessage {
    let entry = state.entries[pin]
    return InterruptMessage(word: UInt32(truncatingIfNeeded: entry), destination: UInt8(entry >> 56))
  }

  // MARK: Registers

  /// IOREGSEL at 0, IOWIN at 0x10.
  public func readWord(offset: UInt64, now: UInt64) -> UInt32 {
    switch offset {
    case 0: UInt32(state.select)
    case 0x10: readSelected()
    default: 0
    }
  }

  public func writeWord(offset: UInt64, value: UInt32, now: UInt64) {
    switch offset {
    case 0: state.select = UInt8(truncatingIfNeeded: value)
    case 0x10: writeSelected(value)
    default: break
    }
  }

  /// The pin of the selected redirection register, and whether it is the high half.
  private var selectedEntry: (pin: Int, isHigh: Bool)? {
    let number = Int(state.select) - Int(Register.redirection)
    guard number >= 0, number < 2 * IOAPIC.pinCount else { return nil }
    return (number / 2, number % 2 != 0)
  }

  private func readSelected() -> UInt32 {
    switch state.select {
    case Register.id, Register.arbitration: return UInt32(state.id & 0xf) << 24
    case Register.version: return 0x11 | UInt32(IOAPIC.pinCount - 1) << 16
    default:
      guard let (pin, isHigh) = selectedEntry else { return 0 }
      return UInt32(truncatingIfNeeded: state.entries[pin] >> (isHigh ? 32 : 0))
    }
  }

  private func writeSelected(_ value: UInt32) {
    if state.select == Register.id { state.id = UInt8(value >> 24 & 0xf) }
    guard let (pin, isHigh) = selectedEntry else { return }
    let before = state.entries[pin]
    var entry =
      isHigh ? before & 0xffff_ffff | UInt64(value) << 32 : before & 0xffff_ffff_0000_0000 | UInt64(value)
    entry = entry & Entry.writable | before & Entry.remoteIRR
    // An edge-triggered entry has no remote IRR: kernels clear a stuck one by going to edge and back.
    if entry & Entry.levelTriggered == 0 { entry &= ~Entry.remoteIRR }
    state.entries[pin] = entry
    if entry & Entry.levelTriggered != 0 { serveLevel(pin) }
  }
}
