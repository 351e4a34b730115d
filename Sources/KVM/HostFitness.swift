/// What guests this host's KVM is fit for, for choosing an engine.
public enum HostFitness {
  /// `/dev/kvm` is there and can be used.
  public static var hasKVM: Bool { (try? System()) != nil }

  /// Kernels with a user space run: user mode can be stopped, and enters the kernel as the manuals say. Hosts that
  /// emulate kernel mode fail in both.
  public static var runsUserSpace: Bool {
    HostTraits.current.stepsUserMode && HostTraits.current.breaksUserMode
  }
}
