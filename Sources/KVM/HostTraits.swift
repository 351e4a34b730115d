internal import Glibc

/// What this host's KVM cannot do and others can. Everything that only such a host needs asks here.
struct HostTraits: Sendable {
  /// Hardware breakpoints and single steps work at CPL 3.
  var stopsInUserMode: Bool

  /// kvm_pvm runs user mode natively, without the debug registers of the host's user.
  static let current = HostTraits(stopsInUserMode: unsafe access("/sys/module/kvm_pvm", F_OK) != 0)
}

extension KVMEngine {
  public var stopsInUserMode: Bool { HostTraits.current.stopsInUserMode }
}
