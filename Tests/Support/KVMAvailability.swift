internal import Glibc

/// `/dev/kvm` can be opened and is not hidden by CHRONOVISOR_NO_KVM. With CHRONOVISOR_REQUIRE_KVM=1 always true, so
/// that tests which need KVM fail, and are not skipped, where it is missing.
public let kvmAvailable: Bool = {
  if let required = unsafe getenv("CHRONOVISOR_REQUIRE_KVM"), unsafe String(cString: required) == "1" { return true }
  guard unsafe getenv("CHRONOVISOR_NO_KVM") == nil else { return false }
  let descriptor = unsafe open("/dev/kvm", O_RDWR | O_CLOEXEC)
  if descriptor >= 0 { close(descriptor) }
  return descriptor >= 0
}()
