public import VMMCore

extension CPUModel {
  /// What CPUID tells guests of the KVM engine: the common ground of every 64-bit host, without what cannot be
  /// logged (TSC, RDRAND, RDSEED, kvmclock), what needs a device that the machine does not have (APIC, MONITOR, MCE)
  /// and what needs XSAVE. The maximum basic leaf is 1, so that leaves 7 and 0xd stay away on hosts that force bits
  /// of them on. Family 15, model 107, stepping 1, as QEMU's qemu64. AMD's rules hold: leaves that do not exist read
  /// zeros.
  public static let kvmDefault = CPUModel(
    name: "kvm-default",
    leaves: [
      CPUIDLeaf(0, eax: 1, ebx: vendor.0, ecx: vendor.1, edx: vendor.2),
      CPUIDLeaf(1, eax: signature, ebx: 8 << 8 /* CLFLUSH of 8 quadwords */, ecx: basicC, edx: basicD),
      CPUIDLeaf(
        0x4000_0000, eax: 0x4000_0000, ebx: ascii("Chro"), ecx: ascii("novi"), edx: ascii("sor ")),
      CPUIDLeaf(0x8000_0000, eax: 0x8000_0008, ebx: vendor.0, ecx: vendor.1, edx: vendor.2),
      CPUIDLeaf(
        0x8000_0001, eax: signature, ebx: 0, ecx: 1 << 0 /* LAHF in 64-bit mode */,
        edx: basicD & sharedD | 1 << 11 /* SYSCALL */ | 1 << 20 /* NX */ | 1 << 29 /* LM */),
      brand(0x8000_0002, "chronovisor virt"), brand(0x8000_0003, "ual CPU"), brand(0x8000_0004, ""),
      // 40 bits of physical and 48 of linear address.
      CPUIDLeaf(0x8000_0008, eax: 48 << 8 | 40, ebx: 0, ecx: 0, edx: 0),
    ])

  /// "AuthenticAMD" in EBX, ECX, EDX.
  private static let vendor = (ascii("Auth"), ascii("cAMD"), ascii("enti"))
  /// Base family 15, model 0x6b, stepping 1.
  private static let signature: UInt32 = 0x0006_0fb1

  /// SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT, hypervisor.
  private static let basicC: UInt32 = bits(0, 9, 13, 19, 20, 23, 31)
  /// FPU, DE, PSE, MSR, PAE, CMPXCHG8B, SYSENTER, PGE, CMOV, PAT, PSE-36, CLFLUSH, MMX, FXSR, SSE, SSE2.
  private static let basicD: UInt32 = bits(0, 2, 3, 5, 6, 8, 11, 13, 15, 16, 17, 19, 23, 24, 25, 26)
  /// The bits of leaf 1 EDX that AMD repeats in leaf 0x80000001.
  private static let sharedD: UInt32 = 0x0183_f3ff

  private static func bits(_ numbers: UInt32...) -> UInt32 { numbers.reduce(0) { $0 | 1 << $1 } }

  /// Up to four characters, zero-padded, little-endian.
  private static func ascii(_ text: Substring) -> UInt32 {
    text.utf8.reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// A brand leaf: 16 characters.
  private static func brand(_ leaf: UInt32, _ text: Substring) -> CPUIDLeaf {
    func word(_ index: Int) -> UInt32 { ascii(text.dropFirst(index * 4).prefix(4)) }
    return CPUIDLeaf(leaf, eax: word(0), ebx: word(1), ecx: word(2), edx: word(3))
  }
}
