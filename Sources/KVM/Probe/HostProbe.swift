internal import CKVM
internal import Glibc
public import VMMCore

/// Finds out what this host's KVM can do, by running small guests; takes well under a second.
public enum HostProbe {
  /// Throws when there is no KVM to look at.
  public static func run() throws(EngineError) -> HostReport {
    let system = try System()
    var findings = identity(system)
    findings += debugging()
    findings += instructions()
    findings += nondeterminism()
    findings += memoryAndEvents(system)
    findings += costs()
    return HostReport(findings: findings, conclusions: HostProbe.conclusions(from: findings))
  }

  /// The result of one probe, or that it failed.
  static func finding(_ name: String, _ probe: () throws -> HostFinding) -> HostFinding {
    do { return try probe() } catch { return HostFinding(name, "cannot be told", .unknown, "\(error)") }
  }

  /// A yes-or-no probe; `nil` when its guest came to neither. `otherwise` says what a no means.
  static func finding(
    _ name: String, otherwise: HostFinding.Verdict, _ meaning: String, _ probe: () throws -> Bool?
  ) -> HostFinding {
    finding(name) {
      switch try probe() {
      case true?: HostFinding(name, "yes", .good)
      case false?: HostFinding(name, "no", otherwise, meaning)
      case nil:
        HostFinding(name, "cannot be told", .unknown, "the probe's guest came to another end than it can come to")
      }
    }
  }

  /// Which of two reports a probe's guest came to; `nil` for any other.
  static func answer(_ machine: ProbeMachine, yes: UInt16, no: UInt16) throws -> Bool? {
    switch try machine.firstWrite()?.port {
    case yes: true
    case no: false
    default: nil
    }
  }

  private static func identity(_ system: System) -> [HostFinding] {
    let modules = ["kvm_intel", "kvm_amd", "kvm_pvm"].filter { unsafe access("/sys/module/" + $0, F_OK) == 0 }
    let host = HostDescription.current()
    let isNested = chost_cpuid(1, 0).ecx >> 31 != 0
    let software = modules == ["kvm_pvm"]
    let performance = ckvm_instruction_counter()
    return [
      HostFinding("host", host.text, .figure),
      HostFinding(
        "kvm.kind", modules.isEmpty ? "unknown module" : modules.joined(separator: ", "), software ? .limited : .good,
        software ? "software virtualization: kernel mode is emulated, user mode runs natively" : ""),
      HostFinding("kvm.api", "\(ckvm_ioctl(system.descriptor, CKVM_GET_API_VERSION, 0))", .figure),
      HostFinding("kvm.nested", isNested ? "yes: this host is a guest itself" : "no", .figure),
      HostFinding(
        "kvm.sync-regs", system.has(KVM_CAP_SYNC_REGS) ? "yes" : "no", system.has(KVM_CAP_SYNC_REGS) ? .good : .limited,
        system.has(KVM_CAP_SYNC_REGS) ? "" : "stepping takes one more system call an instruction"),
      HostFinding(
        "performance-counters", performance >= 0 ? "yes" : "no: " + errorName(-performance), .figure,
        "not needed by chronovisor"),
    ]
  }
}
