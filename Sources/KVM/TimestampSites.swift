internal import CKVM
public import VMMCore

// RDTSC in kernel mode. No KVM lets it be trapped, and Linux executes it whatever CPUID says, to gather randomness.
// Where its instructions are known, execution breakpoints stop before them, and the value comes from the log.
extension KVMEngine {
  /// How many instructions can be watched: two of the four debug registers are for finding places.
  public static let maximumTimestampSites = 2

  /// Makes RDTSC at these linear addresses an interaction, `.timestampRead`. Those beyond the maximum are left out;
  /// none are taken where KVM does not hand out registers with each exit.
  public func trapTimestamps(at sites: [UInt64]) throws(EngineError) {
    guard syncsRegisters else { return }
    timestampSites = Array(sites.prefix(KVMEngine.maximumTimestampSites))
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

  /// The answer is put into the run page's registers, which must be those of the vCPU.
  private func prepareCompletion() throws(EngineError) {
    if !registersAreSynced { _ = try enterToComplete() }
  }
}
