public import VMMCore

extension CPUModel {
  /// What CPUID tells guests of the software engine by default: x86-64-v2 with BMI1, BMI2, ADX, MOVBE, LZCNT, SMEP,
  /// SMAP, UMIP, FSGSBASE, RDPID and 1 GiB pages; no time-stamp counter, no RDRAND, no APIC, no XSAVE. Family 15, model
  /// 107, stepping 1 of "AuthenticAMD", as QEMU's qemu64.
  public static let softwareDefault = CPUModel(
    name: "software-default",
    leaves: [
      CPUIDLeaf(0, eax: 7, ebx: vendor.0, ecx: vendor.1, edx: vendor.2),
      CPUIDLeaf(1, eax: signature, ebx: 8 << 8 /* CLFLUSH of 8 quadwords */, ecx: basicC, edx: basicD),
      CPUIDLeaf(7, subleaf: 0, eax: 0, ebx: structuredB, ecx: bits(2, 22) /* UMIP, RDPID */, edx: 0),
      CPUIDLeaf(0x4000_0000, eax: 0x4000_0000, ebx: ascii("Chro"), ecx: ascii("novi"), edx: ascii("sor ")),
      CPUIDLeaf(0x8000_0000, eax: 0x8000_0008, ebx: vendor.0, ecx: vendor.1, edx: vendor.2),
      // LAHF in 64-bit mode, LZCNT; SYSCALL, NX, 1 GiB pages, long mode.
      CPUIDLeaf(0x8000_0001, eax: signature, ebx: 0, ecx: bits(0, 5), edx: basicD & sharedD | bits(11, 20, 26, 29)),
      brand(0x8000_0002, "chronovisor soft"), brand(0x8000_0003, "ware CPU"), brand(0x8000_0004, ""),
      // 40 bits of physical and 48 of linear address.
      CPUIDLeaf(0x8000_0008, eax: 48 << 8 | 40, ebx: 0, ecx: 0, edx: 0),
    ])

  /// "AuthenticAMD" in EBX, ECX, EDX.
  private static let vendor = (ascii("Auth"), ascii("cAMD"), ascii("enti"))
  /// Base family 15, model 0x6b, stepping 1.
  private static let signature: UInt32 = 0x0006_0fb1

  /// SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, MOVBE, POPCNT, hypervisor.
  private static let basicC: UInt32 = bits(0, 9, 13, 19, 20, 22, 23, 31)
  /// FPU, DE, PSE, MSR, PAE, CMPXCHG8B, SYSENTER, PGE, CMOV, PAT, PSE-36, CLFLUSH, MMX, FXSR, SSE, SSE2.
  private static let basicD: UInt32 = bits(0, 2, 3, 5, 6, 8, 11, 13, 15, 16, 17, 19, 23, 24, 25, 26)
  /// FSGSBASE, BMI1, SMEP, BMI2, ERMS, ADX, SMAP, CLFLUSHOPT.
  private static let structuredB: UInt32 = bits(0, 3, 7, 8, 9, 19, 20, 23)
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
