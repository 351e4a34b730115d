public import VMMCore

/// A local APIC in xAPIC mode (Intel SDM vol. 3, chapter 11) of the only processor.
///
/// It starts as a PC's firmware leaves it: the 8259A's interrupts pass through LINT0, NMIs through LINT1.
public final class LocalAPIC: WordRegisterDevice {
  public struct State: DeviceState {
    var id: UInt8 = 0
    var taskPriority: UInt8 = 0
    var logicalID: UInt8 = 0
    var destinationFormat: UInt32 = .max
    var spurious: UInt32 = 0xff
    var inService = VectorSet()
    var triggerMode = VectorSet()
    var requests = VectorSet()
    var errors: UInt32 = 0
    /// ESR as the last write to it left it.
    var errorStatus: UInt32 = 0
    var commandLow: UInt32 = 0
    var commandHigh: UInt32 = 0
    /// The local vector table in the order of its registers. The pins are as firmware leaves them.
    var vectors = [
      LocalVector(), LocalVector(), LocalVector(), LocalVector(word: 0x700), LocalVector(word: 0x400), LocalVector(),
    ]
    var timer = APICTimer()
    /// The levels of the pins LINT0 and LINT1, in bits 0 and 1.
    var pins: UInt8 = 0
    /// IA32_APIC_BASE, which the CPU holds.
    var base: UInt64 = APICBase.standard

    public init() {}

    public mutating func code(with coder: inout StateCoder) {
      coder.code(&id)
      coder.code(&taskPriority)
      coder.code(&logicalID)
      coder.code(&destinationFormat)
      coder.code(&spurious)
      coder.code(&inService)
      coder.code(&triggerMode)
      coder.code(&requests)
      coder.code(&errors)
      coder.code(&errorStatus)
      coder.code(&commandLow)
      coder.code(&commandHigh)
      for index in vectors.indices { coder.code(&vectors[index]) }
      coder.code(&timer)
      coder.code(&pins)
      coder.code(&base)
    }

    var timerVector: LocalVector { vectors[0] }
    var lint0: LocalVector {
      get { vectors[3] }
      set { vectors[3] = newValue }
    }
    var lint1: LocalVector { vectors[4] }
    var errorVector: LocalVector { vectors[5] }
  }

  public let name = "apic"
  var state = State()
  let sendNMI: () -> Void
  let endOfInterrupt: (UInt8) -> Void

  /// The physical address at which IA32_APIC_BASE places it after reset.
  public static let standardAddress: UInt64 = 0xfee0_0000

  /// SVR: the APIC is on.
  static let softwareEnable: UInt32 = 1 << 8

  /// - Parameters:
  ///   - nmi: takes NMIs.
  ///   - endOfInterrupt: takes the vector of a level-triggered interrupt that has ended, for the I/O APIC.
  public init(nmi: @escaping () -> Void, endOfInterrupt: @escaping (UInt8) -> Void) {
    sendNMI = nmi
    self.endOfInterrupt = endOfInterrupt
  }

  public func snapshot() -> State { state }
  public func restore(_ state: State) { self.state = state }

  var isEnabled: Bool { state.spurious & LocalAPIC.softwareEnable != 0 }

  /// Interrupts of the 8259A reach the CPU: LINT0 is open and in ExtINT mode, or the APIC is off.
  public var passesExternalInterrupts: Bool {
    !isPresent || !state.lint0.isMasked && state.lint0.mode == .external
  }

  /// CR8: bits 7:4 of the task priority. Setting another class clears the subclass.
  public var taskPriorityClass: UInt8 {
    get { state.taskPriority >> 4 }
    set { if newValue != taskPriorityClass { state.taskPriority = newValue << 4 } }
  }

  /// IA32_APIC_BASE. Switching the APIC off by it resets all registers, with every local vector masked (11.4.3).
  public var base: UInt64 {
    get { state.base }
    set {
      if isPresent, APICBase.address(in: newValue) == nil {
        let (id, pins) = (state.id, state.pins)
        state = State()
        (state.id, state.pins) = (id, pins)
        for index in state.vectors.indices { state.vectors[index] = LocalVector() }
      }
      state.base = newValue
    }
  }

  /// IA32_APIC_BASE has it switched on.
  var isPresent: Bool { APICBase.address(in: state.base) != nil }

  /// The place in the register page of an access of `size` bytes; `nil` for one that is not all in it.
  public func offset(of address: GuestPhysicalAddress, size: UInt8) -> UInt64? {
    guard let page = APICBase.address(in: state.base) else { return nil }
    let offset = address.rawValue &- page
    return offset < APICBase.pageSize && UInt64(size) <= APICBase.pageSize - offset ? offset : nil
  }

  public func advance(to now: UInt64) {
    guard state.timer.advance(to: now, isPeriodic: isPeriodic), !state.timerVector.isMasked else { return }
    accept(vector: state.timerVector.vector, isLevelTriggered: false)
  }

  /// LVT timer bit 17.
  private var isPeriodic: Bool { state.timerVector.word & 1 << 17 != 0 }

  /// A timer interrupt that is still waiting hides the next ones.
  public var nextDeadline: UInt64? {
    guard !state.timerVector.isMasked, !state.requests[state.timerVector.vector] else { return nil }
    return state.timer.expiry
  }

  /// Drives LINT0 or LINT1. ExtINT is not latched: ask `passesExternalInterrupts`.
  public func setPin(_ pin: Int, _ level: Bool) {
    let bit: UInt8 = pin == 0 ? 1 : 2
    let rises = level && state.pins & bit == 0
    state.pins = level ? state.pins | bit : state.pins & ~bit
    let entry = pin == 0 ? state.lint0 : state.lint1
    // Without an APIC the pins are the CPU's own: INTR and NMI.
    guard isPresent else {
      if rises, pin != 0 { sendNMI() }
      return
    }
    // LINT1 has edges only.
    if pin == 0, entry.isLevelTriggered { return serveLevel() }
    guard rises, !entry.isMasked else { return }
    switch entry.mode {
    case .fixed: accept(vector: entry.vector, isLevelTriggered: false)
    case .nmi: sendNMI()
    default: break
    }
  }
}

// MARK: Registers

extension LocalAPIC {
  public func readWord(offset: UInt64, now: UInt64) -> UInt32 {
    advance(to: now)
    switch offset {
    case APICRegister.id: return UInt32(state.id) << 24
    case APICRegister.version: return 0x0005_0014  // six local vectors
    case APICRegister.taskPriority: return UInt32(state.taskPriority)
    case APICRegister.processorPriority, APICRegister.arbitrationPriority: return UInt32(processorPriority)
    case APICRegister.logicalDestination: return UInt32(state.logicalID) << 24
    case APICRegister.destinationFormat: return state.destinationFormat
    case APICRegister.spurious: return state.spurious
    case APICRegister.inService..<APICRegister.errorStatus: return readVectors(offset)
    case APICRegister.errorStatus: return state.errorStatus
    case APICRegister.commandLow: return state.commandLow
    case APICRegister.commandHigh: return state.commandHigh
    case APICRegister.initialCount: return state.timer.initialCount
    case APICRegister.currentCount: return state.timer.currentCount(now: now)
    case APICRegister.divideConfiguration: return state.timer.divideConfiguration
    default:
      guard let index = localVector(offset) else {
        noteAccess(offset)
        return 0
      }
      return state.vectors[index].word
    }
  }

  /// An access to none of the registers above: an error, unless it is to the bytes between registers, or to one that
  /// there is for the other direction.
  private func noteAccess(_ offset: UInt64) {
    let isReadOnly =
      offset == APICRegister.version || offset == APICRegister.arbitrationPriority
      || offset == APICRegister.processorPriority || offset == APICRegister.currentCount
      || (APICRegister.inService..<APICRegister.errorStatus).contains(offset)
    let exists = isReadOnly || offset == APICRegister.endOfInterrupt || offset == APICRegister.remoteRead
    if offset & 0xf == 0, !exists { raise(error: APICError.illegalRegister) }
  }

  /// ISR, TMR and IRR, 32 vectors to a register, a register every 16 bytes.
  private func readVectors(_ offset: UInt64) -> UInt32 {
    guard offset & 0xf == 0 else { return 0 }
    let number = Int(offset >> 4 & 7)
    switch offset {
    case ..<APICRegister.triggerMode: return state.inService.word(number)
    case ..<APICRegister.request: return state.triggerMode.word(number)
    default: return state.requests.word(number)
    }
  }

  public func writeWord(offset: UInt64, value: UInt32, now: UInt64) {
    advance(to: now)
    switch offset {
    case APICRegister.id: state.id = UInt8(value >> 24)
    case APICRegister.taskPriority: state.taskPriority = UInt8(truncatingIfNeeded: value)
    case APICRegister.endOfInterrupt: endInterrupt()
    case APICRegister.logicalDestination: state.logicalID = UInt8(value >> 24)
    case APICRegister.destinationFormat: state.destinationFormat = value | 0x0fff_ffff
    case APICRegister.spurious: writeSpurious(value)
    case APICRegister.errorStatus:
      state.errorStatus = state.errors
      state.errors = 0
    case APICRegister.commandLow:
      state.commandLow = value & 0x000c_cfff
      send(InterruptMessage(word: value, destination: UInt8(state.commandHigh >> 24)), shorthand: value >> 18 & 3)
    case APICRegister.commandHigh: state.commandHigh = value & 0xff00_0000
    case APICRegister.initialCount: state.timer.start(count: value, now: now)
    case APICRegister.divideConfiguration: state.timer.setDivideConfiguration(value, now: now)
    default: writeLocalVector(offset, value)
    }
  }

  /// Switching the APIC off masks all local vectors.
  private func writeSpurious(_ value: UInt32) {
    state.spurious = value & 0x1ff
    guard !isEnabled else { return }
    for index in state.vectors.indices { state.vectors[index].word |= LocalVector.mask }
  }

  private func writeLocalVector(_ offset: UInt64, _ value: UInt32) {
    guard let index = localVector(offset) else { return noteAccess(offset) }
    let remoteIRR = state.vectors[index].word & LocalVector.remoteIRR
    state.vectors[index].word = value & LocalVector.writable[index] | (isEnabled ? 0 : LocalVector.mask)
    // As in the I/O APIC, an edge-triggered entry has none: a stuck one is cleared by going to edge and back.
    if state.vectors[index].isLevelTriggered { state.vectors[index].word |= remoteIRR }
    serveLevel()
  }

  /// The place in the local vector table of the register at `offset`.
  private func localVector(_ offset: UInt64) -> Int? {
    guard offset >= APICRegister.timerVector, offset <= APICRegister.errorVector, offset & 0xf == 0 else { return nil }
    return Int(offset - APICRegister.timerVector) >> 4
  }
}
