extension UART {
  /// What the chip holds, and the input that it has not had room for.
  public struct State: DeviceState {
    var interruptEnable: UInt8 = 0
    var fifosEnabled = false
    /// FCR bits 7:6.
    var trigger: UInt8 = 0
    var lineControl: UInt8 = 0
    var modemControl: UInt8 = 0
    var scratch: UInt8 = 0
    /// DLM and DLL: 115,200 Hz divided by this is the baud rate.
    var divisor: UInt16 = 12

    /// Received characters: the byte, its LSR error bits shifted left by 8, and `fromOutside`. One at most while the
    /// FIFOs are off.
    var received: [UInt16] = []
    /// Input that waits for room.
    var waiting = ByteQueue()
    /// Reads of LSR right after a read of LSR that found nothing, up to `UART.pollsOfListener`.
    var polls: UInt8 = 0
    var lastAccessPolled = false
    /// When a character last came in or was read.
    var lastReceiverActivity: UInt64 = 0
    var timeoutPending = false
    var overrun = false
    var transmitterEmptyPending = false

    /// MSR bits 7:4 as last seen, and the deltas since the last read.
    var modemLines = State.peerLines
    var modemDeltas: UInt8 = 0

    /// The level of the interrupt line.
    var interruptLevel = false

    /// The other end of the cable is there and ready, always: CTS, DSR, DCD.
    static let peerLines = ModemStatus.clearToSend | ModemStatus.dataSetReady | ModemStatus.carrierDetect

    public init() {}

    public mutating func code(with coder: inout StateCoder) {
      coder.code(&interruptEnable)
      coder.code(&fifosEnabled)
      coder.code(&trigger)
      coder.code(&lineControl)
      coder.code(&modemControl)
      coder.code(&scratch)
      coder.code(&divisor)
      coder.code(&received, limit: 16)
      coder.code(&waiting)
      coder.code(&polls)
      coder.code(&lastAccessPolled)
      coder.code(&lastReceiverActivity)
      coder.code(&timeoutPending)
      coder.code(&overrun)
      coder.code(&transmitterEmptyPending)
      coder.code(&modemLines)
      coder.code(&modemDeltas)
      coder.code(&interruptLevel)
    }
  }
}
