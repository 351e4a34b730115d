internal import KVM
internal import NativeOracle
internal import VMMCore

@testable internal import X86

/// What the oracle's CPU does where the manuals leave it open: the fuzzer compares under this profile.
enum OracleProfile {
  static let found: UndefinedProfile =
    native_available() == 0 ? .reference : unsafe native_command() == nil ? .host : probe().profile()

  /// What CPUID says there.
  static let cpu = CPUModel(
    name: "oracle",
    leaves: ([0, 1, 7, 0x8000_0001] as [UInt32]).map { leaf in
      var state = NativeState.initial
      state.gpr.0 = UInt64(leaf)
      _ = state.run([0x0f, 0xa2])
      func word(_ number: Int) -> UInt32 { UInt32(truncatingIfNeeded: state.register(number)) }
      return CPUIDLeaf(leaf, eax: word(GPR.rax), ebx: word(GPR.rbx), ecx: word(GPR.rcx), edx: word(GPR.rdx))
    })

  /// AMD's manuals hold for it: SYSENTER is there outside of long mode only, SYSCALL and SYSRET in 32-bit code, too.
  static let isAMD = cpu.leaves.first.map { $0.ebx == 0x6874_7541 } ?? true

  /// Restricted transactional memory (CPUID 7, EBX, bit 11).
  static let hasRTM = cpu.leaves.contains { $0.leaf == 7 && $0.ebx & 1 << 11 != 0 }

  /// MXCSR.MM exists there.
  static let hasMisalignedSSE: Bool = {
    var state = NativeState.initial
    _ = state.run([0x90])
    return state.field(28, as: UInt32.self) & 0x20000 != 0
  }()

  static func probe() -> UndefinedProbe {
    UndefinedProbe(has: { cpu.has($0) }) { code, registers in
      var state = NativeState.initial
      (state.gpr.0, state.gpr.1, state.gpr.2, state.gpr.3) = (
        registers.rax, registers.rcx, registers.rdx, registers.rbx
      )
      state.gpr.4 -= 256
      state.rflags = registers.flags
      _ = state.run(code)
      return UndefinedProbe.Registers(
        rax: state.gpr.0, rcx: state.gpr.1, rdx: state.gpr.2, rbx: state.gpr.3, flags: state.rflags)
    }
  }
}
