/// What guests this host's KVM is fit for, for choosing an engine.
public enum HostFitness {
  /// `/dev/kvm` is there and can be used.
  public static var hasKVM: Bool { (try? System()) != nil }

  /// Kernels with a user space run: user mode can be stopped, and enters the kernel as the manuals say. Hosts that
  /// emulate kernel mode fail in both.
  public static var runsUserSpace: Bool {
    HostTraits.current.stepsUserMode && HostTraits.current.breaksUserMode
  }

  /// `KVMEngine.stopsWhenInterruptible` works.
  public static var stopsAtWindows: Bool { HostTraits.current.stopsAtWindows }

  /// User mode runs on the host's CPU, and whatever it raises can be had before the guest's kernel sees it: what a
  /// partner that executes kernel mode itself needs. Asked only where `runsUserSpace` is false.
  public static var offersUserMode: Bool { hasKVM && !runsUserSpace && HostTraits.current.handsOverUserFaults }
}
