/// A PC16550D UART: a PC's serial port.
///
/// A transmitted byte goes to the output at once, so the transmitter is always empty; the interrupt that says so comes
/// after each byte as it would from the chip. Input waits in a queue and moves on as the guest makes room, so it never
/// overruns; the receive time-out follows the programmed baud rate. Patient input also waits until the guest listens.
public final class UART: BytePortDevice {
  public let name: String
  let interrupt: InterruptLine
  private let output: (UInt8) -> Void
  let isPatient: Bool
  var state = State()

  /// The ports of COM1, which uses IRQ 4.
  public static let com1 = [PortRange(0x3f8, count: 8)]

  /// - Parameters:
  ///   - interrupt: the interrupt output, after the gate that a PC puts there: OUT2.
  ///   - isPatient: input waits until the guest listens, and resetting the FIFO does not lose any. Kernels empty the
  ///     receiver when they start; input that a file or a pipe gives at once would be gone before anyone could read it.
  ///   - output: takes the bytes that the guest sends.
  public init(
    name: String = "uart", interrupt: InterruptLine, isPatient: Bool = true, output: @escaping (UInt8) -> Void
  ) {
    self.name = name
    self.interrupt = interrupt
    self.isPatient = isPatient
    self.output = output
  }

  public func snapshot() -> State { state }
  public func restore(_ state: State) { self.state = state }

  public func readByte(offset: UInt16, now: UInt64) -> UInt8 {
    advance(to: now)
    notePoll(offset == UARTRegister.lineStatus, now: now)
    switch offset {
    case UARTRegister.data: return divisorLatched ? UInt8(truncatingIfNeeded: state.divisor) : readReceiver(now: now)
    case UARTRegister.interruptEnable:
      return divisorLatched ? UInt8(truncatingIfNeeded: state.divisor >> 8) : state.interruptEnable
    case UARTRegister.interruptIdentification: return readInterruptIdentification()
    case UARTRegister.lineControl: return state.lineControl
    case UARTRegister.modemControl: return state.modemControl
    case UARTRegister.lineStatus: return readLineStatus()
    case UARTRegister.modemStatus: return readModemStatus()
    case UARTRegister.scratch: return state.scratch
    default: return 0xff
    }
  }

  public func writeByte(offset: UInt16, value: UInt8, now: UInt64) {
    advance(to: now)
    notePoll(false, now: now)
    switch offset {
    case UARTRegister.data where divisorLatched: state.divisor = state.divisor & 0xff00 | UInt16(value)
    case UARTRegister.data: transmit(value, now: now)
    case UARTRegister.interruptEnable where divisorLatched:
      state.divisor = state.divisor & 0x00ff | UInt16(value) << 8
    case UARTRegister.interruptEnable: writeInterruptEnable(value, now: now)
    case UARTRegister.interruptIdentification: writeFIFOControl(value, now: now)
    case UARTRegister.lineControl: writeLineControl(value, now: now)
    case UARTRegister.modemControl: writeModemControl(value, now: now)
    case UARTRegister.scratch: state.scratch = value
    default: break  // LSR and MSR are for reading only.
    }
  }

  private var divisorLatched: Bool { state.lineControl & LineControl.divisorLatch != 0 }
  var isLooping: Bool { state.modemControl & ModemControl.loop != 0 }

  private func transmit(_ byte: UInt8, now: UInt64) {
    // The holding register is full for no time at all, but an edge-triggered interrupt controller must see the edge.
    state.transmitterEmptyPending = false
    updateInterrupt()
    if isLooping {
      receiveLooped(UInt16(byte & dataMask), now: now)
    } else {
      output(byte)
    }
    state.transmitterEmptyPending = true
    updateInterrupt()
  }

  /// Words of 5 to 8 bits (LCR bits 1:0).
  private var dataMask: UInt8 { 0xff >> (3 - state.lineControl & LineControl.wordLengthMask) }

  private func writeLineControl(_ value: UInt8, now: UInt64) {
    let breakBegins = value & ~state.lineControl & LineControl.setBreak != 0
    state.lineControl = value
    // A break has no stop bit either.
    let errors = UInt16(LineStatus.breakInterrupt | LineStatus.framingError)
    if breakBegins && isLooping { receiveLooped(errors << 8, now: now) }
  }

  private func writeModemControl(_ value: UInt8, now: UInt64) {
    state.modemControl = value & ModemControl.all
    updateModemLines()
    fillReceiver(now: now)
    updateInterrupt()
  }

  private func writeFIFOControl(_ value: UInt8, now: UInt64) {
    let enable = value & FIFOControl.enable != 0
    if enable != state.fifosEnabled || value & FIFOControl.resetReceiver != 0 && enable {
      emptyReceiver()
    }
    state.fifosEnabled = enable
    // Other bits count only when bit 0 is written as 1.
    if enable { state.trigger = value & FIFOControl.triggerMask }
    fillReceiver(now: now)
    updateInterrupt()
  }

  private func readModemStatus() -> UInt8 {
    let status = state.modemLines | state.modemDeltas
    state.modemDeltas = 0
    updateInterrupt()
    return status
  }

  /// In the loop the modem control outputs feed the modem status inputs.
  private func updateModemLines() {
    var lines = State.peerLines
    if isLooping {
      lines = 0
      if state.modemControl & ModemControl.requestToSend != 0 { lines |= ModemStatus.clearToSend }
      if state.modemControl & ModemControl.dataTerminalReady != 0 { lines |= ModemStatus.dataSetReady }
      if state.modemControl & ModemControl.out1 != 0 { lines |= ModemStatus.ring }
      if state.modemControl & ModemControl.out2 != 0 { lines |= ModemStatus.carrierDetect }
    }
    var deltas = (lines ^ state.modemLines) >> 4
    // Of the ring indicator only the end of a ring counts.
    if lines & ModemStatus.ring != 0 { deltas &= ~ModemStatus.trailingEdgeRing }
    state.modemDeltas |= deltas
    state.modemLines = lines
  }
}
