internal import CKVM
public import VMMCore

extension UndefinedProfile {
  /// What this host's CPU does where the manuals leave it open: found out once, in a few milliseconds, by executing
  /// samples in this process. The reference where the host lets no process make code.
  public static let host: UndefinedProfile = HostUndefined.probe() ?? .reference
}

/// Executes the samples of `UndefinedProbe` on the host's CPU.
enum HostUndefined {
  static func probe() -> UndefinedProfile? {
    // Sound: the map is this function's alone, and `chost_execute` checks the length; the samples are user-mode code
    // that neither faults nor touches memory but the stack.
    guard let map = unsafe chost_code_map() else { return nil }
    defer { unsafe chost_code_unmap(map) }
    var works = true
    let probe = UndefinedProbe(has: { host.has($0) }) { code, registers in
      var words = chost_registers(
        rax: registers.rax, rcx: registers.rcx, rdx: registers.rdx, rbx: registers.rbx,
        rflags: registers.flags & 0x8d5 | 0x202)
      if unsafe chost_execute(map, code, code.count, &words) != 0 { works = false }
      return UndefinedProbe.Registers(
        rax: words.rax, rcx: words.rcx, rdx: words.rdx, rbx: words.rbx, flags: words.rflags)
    }
    var profile = probe.profile()
    let flags = chost_fault_flags()
    // RF, bit 16.
    profile[.faultsKeepResumeFlag] = flags >= 0 && flags >> 16 & 1 == 0
    let code = chost_update_fault_code()
    // W/R, bit 1.
    profile[.readsBeforeUpdates] = code >= 0 && code & 2 == 0
    return works ? profile : nil
  }

  /// What CPUID says to this process.
  static let host = CPUModel(
    name: "host",
    leaves: ([1, 7, 0x8000_0001] as [UInt32]).map { leaf in
      let words = chost_cpuid(leaf, 0)
      return CPUIDLeaf(leaf, eax: words.eax, ebx: words.ebx, ecx: words.ecx, edx: words.edx)
    })
}
