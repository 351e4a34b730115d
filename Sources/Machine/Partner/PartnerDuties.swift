internal import KVM

/// What the software engine does for KVM on hosts that need it, found out by probes.
struct PartnerDuties {
  /// Single steps, REP instructions that a kick found under way, and the first instruction of a search: where KVM's
  /// stepping shows itself to the guest (the trap flag in what PUSHF, SYSCALL and interrupts save, the shadow of STI
  /// cut short) or does not work.
  var steps: Bool
  /// Searches for an address, where KVM does not stop at addresses.
  var searches: Bool
  /// Stops in user mode, where KVM does not.
  var stopsInUserMode: Bool

  static let ofThisHost = PartnerDuties(
    steps: !HostFitness.stepsCleanly, searches: !HostFitness.stopsAtAddresses,
    stopsInUserMode: !HostFitness.stopsInUserMode)
}
