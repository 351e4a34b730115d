internal import Devices
public import Trace
public import VMMCore

/// The machine's devices on their buses: answers every interaction of the vCPU, and says which interrupt it wants to
/// deliver. Recording only; a replay has no board.
public final class Board {
  private let ports = PortBus()
  private let mmio = MMIOBus()
  private let interrupts: InterruptControllers
  private let uart: UART
  private let msrs = MSRBank()
  private let coprocessor: CoprocessorError
  /// Of the vCPU's x87 errors, how many the latch knows.
  private var x87Errors: UInt64 = 0
  /// The devices that time changes.
  private let timed: [any Device]
  private let input: any InputSource
  private let requests: RequestBox
  /// What RDRAND and RDSEED read.
  private var random: RandomNumbers

  /// The request of a device to end the run.
  public var end: EndReason? { requests.end }

  /// - Parameters:
  ///   - startEpoch: the RTC's time of day at time 0, in seconds since 1970.
  ///   - seed: of the random numbers that the CPU reads.
  ///   - memorySize: bytes of guest RAM, which the CMOS memory tells.
  ///   - input: what is typed on the serial line.
  ///   - output: takes the console text, that of the UART and that of the debug console.
  public init(
    startEpoch: UInt64, seed: UInt64 = 1, memorySize: UInt64, input: any InputSource,
    output: @escaping (UInt8) -> Void
  ) throws {
    self.input = input
    random = RandomNumbers(seed: seed)
    let requests = RequestBox()
    self.requests = requests
    let request: MachineRequestSink = { requests.take($0) }
    let controllers = InterruptControllers(nmi: { requests.hasNMI = true })
    interrupts = controllers
    let pit = PIT(interrupt: controllers.line(0))
    uart = UART(interrupt: controllers.line(4), output: output)
    let rtc = RTC(epoch: startEpoch, memorySize: memorySize, interrupt: controllers.line(8))
    let power = PowerManagement(interrupt: controllers.line(9), request: request)
    let keyboard = KeyboardController(interrupt: controllers.line(1), request: request)
    coprocessor = CoprocessorError(interrupt: controllers.line(13))
    timed = [pit, uart, rtc, power, keyboard, controllers.apic]
    try ports.attach(controllers.pic, at: DualPIC.standardPorts)
    try ports.attach(pit, at: PIT.standardPorts)
    try ports.attach(uart, at: UART.com1)
    try ports.attach(rtc, at: RTC.standardPorts)
    try ports.attach(power, at: PowerManagement.standardPorts)
    try ports.attach(keyboard, at: KeyboardController.standardPorts)
    try ports.attach(DebugExitPort(request: request), at: DebugExitPort.standardPorts)
    try ports.attach(DebugConsole(output: output), at: DebugConsole.standardPorts)
    try ports.attach(POSTPort(), at: POSTPort.standardPorts)
    try ports.attach(coprocessor, at: CoprocessorError.standardPorts)
    try ports.attach(PCIConfigPorts(request: request), at: PCIConfigPorts.standardPorts)
    try mmio.attach(controllers.ioapic, at: GuestPhysicalAddress(IOAPIC.standardAddress), count: IOAPIC.addressCount)
  }

  /// Nanoseconds that the CPU waits for an interaction. Ports and memory of a PC's chips answer in about a microsecond,
  /// and guests rely on it: Linux reads the PIT twice to let a tick of 838 ns pass when it measures the TSC. So does
  /// reading the time stamp, as it does where a VMM intercepts it: guests that wait by reading it read it less often.
  /// The local APIC is part of the CPU.
  public func latency(of exit: VCPUExit) -> UInt64 {
    switch exit {
    case .portRead, .portWrite, .timestampRead: 1000
    case .mmioRead(let address, let size), .mmioWrite(let address, let size, _):
      interrupts.apic.offset(of: address, size: size) == nil ? 1000 : 0
    default: 0
    }
  }

  /// Answers an interaction (and nothing else) at the time `now`.
  public func handle(_ exit: VCPUExit, now: UInt64) -> Answer {
    switch exit {
    case .portRead(let port, let size): return .value(UInt64(ports.read(port: port, size: size, now: now)))
    case .portWrite(let port, let size, let value):
      ports.write(port: port, size: size, value: value, now: now)
      return .none
    case .mmioRead(let address, let size): return .value(read(address, size, now: now))
    case .mmioWrite(let address, let size, let value):
      write(address, size, value, now: now)
      return .none
    case .msrRead(let index): return msrs.read(index, now: now).map { .value($0) } ?? .fault
    case .msrWrite(let index, let value): return msrs.write(index, value: value, now: now) ? .none : .fault
    case .timestampRead: return .value(msrs.timestamp(now: now))
    case .randomRead: return .value(random.next())
    default: return .none
    }
  }

  // The local APIC's page is where the CPU has put it, and hides what else is there.
  private func read(_ address: GuestPhysicalAddress, _ size: UInt8, now: UInt64) -> UInt64 {
    guard let offset = interrupts.apic.offset(of: address, size: size) else {
      return mmio.read(address: address, size: size, now: now)
    }
    return interrupts.apic.read(offset: offset, size: size, now: now)
  }

  private func write(_ address: GuestPhysicalAddress, _ size: UInt8, _ value: UInt64, now: UInt64) {
    guard let offset = interrupts.apic.offset(of: address, size: size) else {
      return mmio.write(address: address, size: size, value: value, now: now)
    }
    interrupts.apic.write(offset: offset, size: size, value: value, now: now)
  }

  /// Takes over the registers of the local APIC that the vCPU itself holds, CR8 and IA32_APIC_BASE, and what it signals
  /// of x87 errors.
  public func follow(_ engine: any Engine) {
    if engine.x87Errors != x87Errors {
      x87Errors = engine.x87Errors
      coprocessor.signal()
    }
    let apic = interrupts.apic
    if apic.base != engine.apicBase { apic.base = engine.apicBase }
    apic.taskPriorityClass = engine.taskPriority
  }

  /// Brings every device up to `now`.
  public func advance(to now: UInt64) {
    for device in timed { device.advance(to: now) }
  }

  /// When the board next wants to be advanced; `nil` when nothing will happen on its own.
  public var nextDeadline: UInt64? {
    var earliest: UInt64?
    for device in timed {
      if let deadline = device.nextDeadline { earliest = min(earliest ?? .max, deadline) }
    }
    return earliest
  }

  /// An interrupt controller has an interrupt for the vCPU.
  public var hasInterrupt: Bool { interrupts.hasInterrupt }
  /// An interrupt waits for a lower task priority.
  public var isHeldBackByTaskPriority: Bool { interrupts.isHeldBackByTaskPriority }
  /// The vCPU takes the interrupt: its vector.
  public func acknowledgeInterrupt() -> UInt8 { interrupts.acknowledge() }

  /// A device has sent an NMI that the vCPU has not got yet.
  public var hasNMI: Bool { requests.hasNMI }
  public func acknowledgeNMI() { requests.hasNMI = false }

  /// Input may come that nothing else announces.
  public var awaitsInput: Bool { input.isOpen || uart.unreadInput > 0 }
  /// Hands what has been typed to the UART.
  public func pollInput(now: UInt64) {
    let bytes = input.poll()
    if !bytes.isEmpty { uart.receive(bytes, now: now) }
  }
}

/// Keeps the first request that a device makes until the session looks.
private final class RequestBox {
  private(set) var end: EndReason?
  var hasNMI = false

  func take(_ request: MachineRequest) {
    guard end == nil else { return }
    switch request {
    case .powerOff: end = .powerOff
    case .reset: end = .reset
    case .debugExit(let value): end = .debugExit(value: value)
    }
  }
}
