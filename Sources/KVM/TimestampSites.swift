internal import CKVM
internal import GuestMemory
public import VMMCore

// RDTSC in kernel mode. No KVM lets it be trapped, and Linux executes it whatever CPUID says, to gather randomness.
// Where its instructions are known, execution breakpoints stop before them, and the value comes from the log. On hosts
// whose breakpoints do not fire (emulated SVM), a HLT stands in an instruction's place while the guest runs.
extension KVMEngine {
  /// How many instructions can be watched: two of the four debug registers are for finding places.
  public static let maximumTimestampSites = 2

  /// Makes RDTSC at these linear addresses an interaction, `.timestampRead`. Those beyond the maximum are left out;
  /// none are taken where KVM does not hand out registers with each exit.
  public func trapTimestamps(at sites: [UInt64]) throws(EngineError) {
    guard syncsRegisters else { return }
    timestampSites = Array(sites.prefix(KVMEngine.maximumTimestampSites))
    if !timestampSites.isEmpty, timestampsHalt ?? !HostTraits.current.breaksKernelMode {
      halts = timestampSites.map { TimestampHalt(site: $0) }
    }
    try rearm()
  }

  /// Tells a vCPU that knows nothing yet what to stop at.
  func rearm() throws(EngineError) {
    armed = .off
    guard !timestampSites.isEmpty else { return }
    armed = .step
    try arm(.off)
  }

  /// The interaction, when the next instruction is a watched RDTSC and not itself a place that is looked for.
  func timestampExit() throws(EngineError) -> VCPUExit? {
    guard !timestampSites.isEmpty else { return nil }
    let address = linearRIP(try registers().rip, try specialRegisters())
    guard timestampSites.contains(address), !armed.addresses.contains(address) else { return nil }
    try prepareCompletion()
    stage = .awaitingAnswer(.timestamp)
    return .timestampRead
  }

  /// The interaction, when a HLT that stood in an instruction's place has retired.
  func timestampHalt() throws(EngineError) -> VCPUExit? {
    let address = linearRIP(try registers().rip, try specialRegisters()) &- 1
    guard timestampSites.contains(address) else { return nil }
    halted = false
    try prepareCompletion()
    unsafe ckvm_take_back_rip(vcpu.run, 1)
    stage = .awaitingAnswer(.timestamp)
    return .timestampRead
  }

  /// Before the guest runs.
  func plantHalts() throws(EngineError) {
    let sregs = halts.contains { $0.address == nil } ? try specialRegisters() : nil
    for index in halts.indices {
      if let sregs { halts[index].look(sregs, memory) }
      halts[index].plant(memory)
    }
  }

  /// Behind that, before anybody looks at the memory.
  func liftHalts() { for index in halts.indices { halts[index].lift(memory) } }

  /// The answer is put into the run page's registers, which must be those of the vCPU.
  private func prepareCompletion() throws(EngineError) {
    if !registersAreSynced { _ = try enterToComplete() }
  }
}

/// A HLT in the place of an RDTSC.
struct TimestampHalt {
  /// The RDTSC's linear address.
  let site: UInt64
  /// Where it lies, from when it is mapped: a kernel's text stays where it is.
  private(set) var address: GuestPhysicalAddress?
  private var isPlanted = false

  private static let halt: UInt8 = 0xf4
  /// The opcode's first byte.
  private static let rdtsc: UInt8 = 0x0f

  init(site: UInt64) { self.site = site }

  mutating func look(_ sregs: kvm_sregs, _ memory: GuestMemory) {
    if address == nil { address = PageWalk(site, sregs, in: memory)?.address }
  }

  mutating func plant(_ memory: GuestMemory) {
    // The kernel may have patched the instruction away.
    guard let address, memory.load(address, as: UInt16.self) == 0x310f else { return }
    isPlanted = memory.exchange(TimestampHalt.halt, at: address) != nil
  }

  mutating func lift(_ memory: GuestMemory) {
    guard isPlanted, let address else { return }
    isPlanted = false
    // What the guest has written there meanwhile stays.
    if memory.load(address, as: UInt8.self) == TimestampHalt.halt {
      _ = memory.exchange(TimestampHalt.rdtsc, at: address)
    }
  }
}
