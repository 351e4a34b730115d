/// What guests this host's KVM is fit for, for choosing an engine.
public enum HostFitness {
  /// `/dev/kvm` is there and can be used.
  public static var hasKVM: Bool { (try? System()) != nil }

  /// Kernels with a user space run: user mode enters the kernel as the manuals say. It does not where the host emulates
  /// kernel mode.
  public static let runsUserSpace = (try? HostProbe.syscallWorks()) ?? true

  /// KVM's single steps end one instruction on, and leave nothing in the guest.
  public static var stepsCleanly: Bool { HostTraits.current.stepsCleanly }

  /// KVM stops at addresses, in kernel mode at least.
  public static var stopsAtAddresses: Bool { HostTraits.current.breaksKernelMode }

  /// KVM steps through user mode, and stops at addresses there.
  public static var stopsInUserMode: Bool { HostTraits.current.stepsUserMode && HostTraits.current.breaksUserMode }

  /// `KVMEngine.stopsWhenInterruptible` works.
  public static var stopsAtWindows: Bool { HostTraits.stopsAtWindows }

  /// User mode runs on the host's CPU, and whatever it raises can be had before the guest's kernel sees it: what a
  /// partner that executes kernel mode itself needs. Asked only where `runsUserSpace` is false.
  public static var offersUserMode: Bool { hasKVM && !runsUserSpace && HostTraits.handsOverUserFaults }
}
