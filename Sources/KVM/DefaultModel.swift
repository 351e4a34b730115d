internal import CKVM
public import VMMCore

extension CPUCatalogue {
  /// What guests of the KVM engine can be told on this host: what it has in hardware, as far as it can be logged.
  public static let kvm = CPUCatalogue(
    engine: "kvm", offered: kvmOffered, defaults: CPUFeature.level2, brand: "chronovisor virtual CPU",
    undefined: .host,
    refusals: unloggable.map { ($0, "KVM lets the guest read it past the log: use --engine software") })

  /// Nothing tells the recorder when these are read.
  private static let unloggable: [CPUFeature] = [.tsc, .rdtscp, .invariantTSC, .rdrand, .rdseed]

  /// The default features are the CPU's own. All others KVM must know too: some hosts have no more of them than the
  /// bit. The machine has an APIC and MTRRs of its own; XSAVE state beyond SSE is not recorded.
  private static var kvmOffered: [CPUFeature] {
    let others: [CPUFeature] = [
      .movbe, .fsgsbase, .bmi1, .smep, .bmi2, .erms, .adx, .smap, .clflushopt, .umip, .lzcnt, .pdpe1gb, .pcid, .invpcid,
    ]
    let kvm = CPUModel(name: "KVM", leaves: (try? System().supportedLeaves()) ?? [])
    let host = HostUndefined.host
    let always: [CPUFeature] = [.apic, .mtrr, .hypervisor]
    return CPUFeature.level2.filter { always.contains($0) || host.has($0) } + others.filter { kvm.has($0) }
  }

}

extension CPUModel {
  /// What CPUID tells guests of the KVM engine by default: the common ground of every 64-bit host, without what cannot
  /// be logged and what needs XSAVE.
  public static let kvmDefault = CPUCatalogue.kvm.defaultModel
}

extension System {
  /// KVM_GET_SUPPORTED_CPUID: what this host can show to guests.
  func supportedLeaves() throws(EngineError) -> [CPUIDLeaf] {
    var entries = [kvm_cpuid_entry2](repeating: kvm_cpuid_entry2(), count: 256)
    let count = unsafe ckvm_get_supported_cpuid(descriptor, &entries, UInt32(entries.count))
    try check(count, "KVM_GET_SUPPORTED_CPUID")
    return entries[..<Int(count)].map {
      CPUIDLeaf($0.function, subleaf: $0.index, eax: $0.eax, ebx: $0.ebx, ecx: $0.ecx, edx: $0.edx)
    }
  }
}
