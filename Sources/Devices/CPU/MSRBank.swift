/// The model-specific registers that engines do not hold: those of which kernels want an answer on every machine.
///
/// Names and numbers are those of the Intel SDM vol. 4 and the AMD APM vol. 2, appendix A. What is not listed here does
/// not exist: #GP.
public final class MSRBank: Device {
  public struct State: DeviceState {
    /// What is added to the machine's time to make the time-stamp counter.
    var timestampOffset: UInt64 = 0
    var defaultMemoryType: UInt64 = MTRR.enabledWriteBack
    var variableRanges = [UInt64](repeating: 0, count: 2 * MTRR.variableCount)
    var fixedRanges = MTRR.initialFixedRanges
    /// The registers of `MSRBank.plain` in that order.
    var plain = MSRBank.plain.map { $0.initial }

    public init() {}

    public mutating func code(with coder: inout StateCoder) {
      coder.code(&timestampOffset)
      coder.code(&defaultMemoryType)
      coder.codeFixed(&variableRanges)
      coder.codeFixed(&fixedRanges)
      coder.codeFixed(&plain)
    }
  }

  /// A register that holds what is written, within its bits.
  struct Plain {
    var index: UInt32
    var initial: UInt64
    var writable: UInt64
  }

  static let plain = [
    Plain(index: 0x1a0, initial: 0x1801, writable: .max),  // IA32_MISC_ENABLE: fast strings; no BTS, no PEBS
    Plain(index: 0x1d9, initial: 0, writable: 0x3),  // IA32_DEBUGCTL: LBR, BTF
    Plain(index: 0xc001_0010, initial: 0, writable: .max),  // SYSCFG
    Plain(index: 0xc001_0015, initial: 1 << 24, writable: .max),  // HWCR: the time-stamp counter has a steady pace
    Plain(index: 0xc001_0016, initial: 0, writable: .max),  // IORRBase0, IORRMask0, IORRBase1, IORRMask1
    Plain(index: 0xc001_0017, initial: 0, writable: .max),
    Plain(index: 0xc001_0018, initial: 0, writable: .max),
    Plain(index: 0xc001_0019, initial: 0, writable: .max),
    Plain(index: 0xc001_001a, initial: 0, writable: .max),  // TOP_MEM
    Plain(index: 0xc001_001d, initial: 0, writable: .max),  // TOP_MEM2
    Plain(index: 0xc001_1029, initial: 0x2, writable: .max),  // DE_CFG: LFENCE is serialising
  ]

  /// Registers that read zero and take any write without effect: machine checks (none), the microcode's revision and
  /// loader, SMM, power and northbridge settings, and the four performance counters that every AMD64 processor has:
  /// kernels try whether they hold a value, and leave them alone then.
  private static func readsZero(_ index: UInt32) -> Bool {
    switch index {
    case 0x0, 0x1: true  // IA32_P5_MC_ADDR, IA32_P5_MC_TYPE
    case 0x17: true  // IA32_PLATFORM_ID
    case 0x2a: true  // EBL_CR_POWERON
    case 0x79, 0x8b: true  // IA32_BIOS_UPDT_TRIG, IA32_BIOS_SIGN_ID and AMD's PATCH_LEVEL
    case 0x179, 0x17a, 0x17b: true  // IA32_MCG_CAP, IA32_MCG_STATUS, IA32_MCG_CTL
    case 0x1db...0x1de: true  // last branch and last exception
    case 0xc001_0000...0xc001_0007: true  // PerfEvtSel0 to 3, PerfCtr0 to 3
    case 0xc001_001f: true  // NB_CFG
    case 0xc001_0020: true  // PATCH_LOADER
    case 0xc001_0022: true  // machine check exceptions redirected
    case 0xc001_0030...0xc001_0035: true  // processor name: CPUID tells it
    case 0xc001_003e: true  // hardware thermal control
    case 0xc001_0044...0xc001_004a: true  // machine check masks
    case 0xc001_0050...0xc001_0056: true  // SMI traps, interrupt pending message
    case 0xc001_0058: true  // MMIO configuration base
    case 0xc001_0061...0xc001_006b: true  // P-states: none
    case 0xc001_0070, 0xc001_0071: true  // COFVID control and status
    case 0xc001_0074: true  // watchdog
    case 0xc001_0111...0xc001_0119: true  // SMM base, TSEG, SMM control, VM_CR, IGNNE, keys
    case 0xc001_1020...0xc001_1023, 0xc001_102a...0xc001_102d: true  // LS_CFG, IC_CFG, DC_CFG, BU_CFG and their seconds
    default: false
    }
  }

  private static let timestampCounter: UInt32 = 0x10

  public let name = "msr"
  private var state = State()

  public init() {}

  public func snapshot() -> State { state }
  public func restore(_ state: State) { self.state = state }

  /// The time-stamp counter, at 1 GHz.
  public func timestamp(now: UInt64) -> UInt64 { now &+ state.timestampOffset }

  /// RDMSR; `nil` is #GP(0).
  public func read(_ index: UInt32, now: UInt64) -> UInt64? {
    if index == MSRBank.timestampCounter { return timestamp(now: now) }
    if let number = MSRBank.plain.firstIndex(where: { $0.index == index }) { return state.plain[number] }
    switch index {
    case MTRR.capability: return MTRR.capabilities
    case MTRR.defaultType: return state.defaultMemoryType
    case MTRR.firstVariable..<MTRR.endOfVariable: return state.variableRanges[Int(index - MTRR.firstVariable)]
    default:
      if let number = MTRR.fixed.firstIndex(of: index) { return state.fixedRanges[number] }
      return MSRBank.readsZero(index) ? 0 : nil
    }
  }

  /// WRMSR; false is #GP(0).
  public func write(_ index: UInt32, value: UInt64, now: UInt64) -> Bool {
    if index == MSRBank.timestampCounter {
      state.timestampOffset = value &- now
      return true
    }
    if let number = MSRBank.plain.firstIndex(where: { $0.index == index }) {
      guard value & ~MSRBank.plain[number].writable == 0 else { return false }
      state.plain[number] = value
      return true
    }
    return writeMTRR(index, value) ?? MSRBank.readsZero(index)
  }

  /// `nil` when the register is none of these.
  private func writeMTRR(_ index: UInt32, _ value: UInt64) -> Bool? {
    switch index {
    case MTRR.capability: return false
    case MTRR.defaultType:
      guard MTRR.isDefaultType(value) else { return false }
      state.defaultMemoryType = value
    case MTRR.firstVariable..<MTRR.endOfVariable:
      let isMask = index & 1 != 0
      guard isMask ? MTRR.isMask(value) : MTRR.isBase(value) else { return false }
      state.variableRanges[Int(index - MTRR.firstVariable)] = value
    default:
      guard let number = MTRR.fixed.firstIndex(of: index) else { return nil }
      guard MTRR.isFixedRange(value) else { return false }
      state.fixedRanges[number] = value
    }
    return true
  }
}
