internal import CKVM
internal import Glibc
public import VMMCore

/// `/dev/kvm`: the system descriptor (KVM API 4.1 to 4.5).
@safe
public final class System {
  let descriptor: Int32
  /// Bytes of a vCPU's run page with what follows it.
  let runSize: Int

  /// Where the device is.
  public static let path = "/dev/kvm"
  /// The environment variable that makes this process behave as if there were no KVM.
  public static let hidingVariable = "CHRONOVISOR_NO_KVM"

  /// Opens the device and checks that it speaks API version 12 and has what chronovisor cannot do without.
  public init() throws(EngineError) {
    if unsafe getenv(System.hidingVariable) != nil {
      throw EngineError("\(System.path) is hidden by \(System.hidingVariable): unset it, or use --engine software")
    }
    let descriptor = unsafe ckvm_open(System.path)
    if descriptor < 0 { throw System.cannotOpen(descriptor) }
    self.descriptor = descriptor
    let version = ckvm_ioctl(descriptor, CKVM_GET_API_VERSION, 0)
    let size = ckvm_ioctl(descriptor, CKVM_GET_VCPU_MMAP_SIZE, 0)
    runSize = Int(max(size, 0))
    guard version == KVM_API_VERSION, runSize >= MemoryLayout<kvm_run>.size else {
      throw EngineError("\(System.path): KVM API version \(version), but 12 is needed: use --engine software")
    }
    for (capability, name) in System.required where !has(capability) {
      throw EngineError("\(System.path) is too old: it has no \(name): use a newer kernel, or --engine software")
    }
  }

  deinit { close(descriptor) }

  private static let required = [
    (KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"),
    (KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"),
    (KVM_CAP_SET_GUEST_DEBUG, "KVM_CAP_SET_GUEST_DEBUG"),
    (KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"),
    (KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS"),
    (KVM_CAP_XSAVE, "KVM_CAP_XSAVE"),
    (KVM_CAP_XCRS, "KVM_CAP_XCRS"),
    (KVM_CAP_USER_NMI, "KVM_CAP_USER_NMI"),
  ]

  private static func cannotOpen(_ result: Int32) -> EngineError {
    let hint =
      switch -result {
      case ENOENT, ENODEV, ENXIO:
        "load the module kvm_intel or kvm_amd and enable virtualization in the firmware, or use --engine software"
      case EACCES, EPERM: "add yourself to the group kvm (and log in again), or use --engine software"
      case EBUSY: "another hypervisor holds the CPU's virtualization: stop it, or use --engine software"
      default: "use --engine software"
      }
    return .host("cannot open \(System.path)", result, hint: hint)
  }

  /// KVM_CHECK_EXTENSION: how much of a capability there is; 0 for none.
  func extent(of capability: Int32) -> Int32 {
    max(0, ckvm_ioctl(descriptor, CKVM_CHECK_EXTENSION, UInt(capability)))
  }

  func has(_ capability: Int32) -> Bool { extent(of: capability) > 0 }
}
