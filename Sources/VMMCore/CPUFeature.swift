/// A feature that CPUID reports by one bit, under the name that Linux and QEMU give it.
@frozen public struct CPUFeature: Equatable, Sendable {
  /// The register of a leaf that holds the bit.
  @frozen public enum Register: Sendable { case ebx, ecx, edx }

  public let name: String
  /// The leaf; its subleaf is 0.
  public let leaf: UInt32
  public let register: Register
  public let bit: UInt32

  @inlinable init(_ name: String, _ leaf: UInt32, _ register: Register, _ bit: UInt32) {
    self.name = name
    self.leaf = leaf
    self.register = register
    self.bit = bit
  }

  /// The feature of this name, if any engine could have it.
  public static func named(_ name: some StringProtocol) -> CPUFeature? { all.first { $0.name == name } }
}

// Leaf 1 (Intel SDM vol. 2, CPUID; AMD APM vol. 3, appendix E).
extension CPUFeature {
  @inlinable public static var fpu: CPUFeature { CPUFeature("fpu", 1, .edx, 0) }
  @inlinable public static var de: CPUFeature { CPUFeature("de", 1, .edx, 2) }
  @inlinable public static var pse: CPUFeature { CPUFeature("pse", 1, .edx, 3) }
  @inlinable public static var tsc: CPUFeature { CPUFeature("tsc", 1, .edx, 4) }
  @inlinable public static var msr: CPUFeature { CPUFeature("msr", 1, .edx, 5) }
  @inlinable public static var pae: CPUFeature { CPUFeature("pae", 1, .edx, 6) }
  @inlinable public static var cx8: CPUFeature { CPUFeature("cx8", 1, .edx, 8) }
  @inlinable public static var mce: CPUFeature { CPUFeature("mce", 1, .edx, 7) }
  @inlinable public static var apic: CPUFeature { CPUFeature("apic", 1, .edx, 9) }
  @inlinable public static var sep: CPUFeature { CPUFeature("sep", 1, .edx, 11) }
  @inlinable public static var mtrr: CPUFeature { CPUFeature("mtrr", 1, .edx, 12) }
  @inlinable public static var pge: CPUFeature { CPUFeature("pge", 1, .edx, 13) }
  @inlinable public static var mca: CPUFeature { CPUFeature("mca", 1, .edx, 14) }
  @inlinable public static var cmov: CPUFeature { CPUFeature("cmov", 1, .edx, 15) }
  @inlinable public static var pat: CPUFeature { CPUFeature("pat", 1, .edx, 16) }
  @inlinable public static var pse36: CPUFeature { CPUFeature("pse36", 1, .edx, 17) }
  @inlinable public static var clflush: CPUFeature { CPUFeature("clflush", 1, .edx, 19) }
  @inlinable public static var mmx: CPUFeature { CPUFeature("mmx", 1, .edx, 23) }
  @inlinable public static var fxsr: CPUFeature { CPUFeature("fxsr", 1, .edx, 24) }
  @inlinable public static var sse: CPUFeature { CPUFeature("sse", 1, .edx, 25) }
  @inlinable public static var sse2: CPUFeature { CPUFeature("sse2", 1, .edx, 26) }
  @inlinable public static var sse3: CPUFeature { CPUFeature("sse3", 1, .ecx, 0) }
  @inlinable public static var ssse3: CPUFeature { CPUFeature("ssse3", 1, .ecx, 9) }
  @inlinable public static var cx16: CPUFeature { CPUFeature("cx16", 1, .ecx, 13) }
  @inlinable public static var pcid: CPUFeature { CPUFeature("pcid", 1, .ecx, 17) }
  @inlinable public static var sse41: CPUFeature { CPUFeature("sse4.1", 1, .ecx, 19) }
  @inlinable public static var sse42: CPUFeature { CPUFeature("sse4.2", 1, .ecx, 20) }
  @inlinable public static var movbe: CPUFeature { CPUFeature("movbe", 1, .ecx, 22) }
  @inlinable public static var popcnt: CPUFeature { CPUFeature("popcnt", 1, .ecx, 23) }
  @inlinable public static var xsave: CPUFeature { CPUFeature("xsave", 1, .ecx, 26) }
  @inlinable public static var rdrand: CPUFeature { CPUFeature("rdrand", 1, .ecx, 30) }
  @inlinable public static var hypervisor: CPUFeature { CPUFeature("hypervisor", 1, .ecx, 31) }
}

// Leaf 7.
extension CPUFeature {
  @inlinable public static var fsgsbase: CPUFeature { CPUFeature("fsgsbase", 7, .ebx, 0) }
  @inlinable public static var bmi1: CPUFeature { CPUFeature("bmi1", 7, .ebx, 3) }
  @inlinable public static var smep: CPUFeature { CPUFeature("smep", 7, .ebx, 7) }
  @inlinable public static var bmi2: CPUFeature { CPUFeature("bmi2", 7, .ebx, 8) }
  @inlinable public static var erms: CPUFeature { CPUFeature("erms", 7, .ebx, 9) }
  @inlinable public static var invpcid: CPUFeature { CPUFeature("invpcid", 7, .ebx, 10) }
  @inlinable public static var rdseed: CPUFeature { CPUFeature("rdseed", 7, .ebx, 18) }
  @inlinable public static var adx: CPUFeature { CPUFeature("adx", 7, .ebx, 19) }
  @inlinable public static var smap: CPUFeature { CPUFeature("smap", 7, .ebx, 20) }
  @inlinable public static var clflushopt: CPUFeature { CPUFeature("clflushopt", 7, .ebx, 23) }
  @inlinable public static var umip: CPUFeature { CPUFeature("umip", 7, .ecx, 2) }
  @inlinable public static var rdpid: CPUFeature { CPUFeature("rdpid", 7, .ecx, 22) }
}

// The extended leaves.
extension CPUFeature {
  @inlinable public static var lahf: CPUFeature { CPUFeature("lahf_lm", 0x8000_0001, .ecx, 0) }
  @inlinable public static var lzcnt: CPUFeature { CPUFeature("lzcnt", 0x8000_0001, .ecx, 5) }
  /// MXCSR.MM: memory operands of SSE arithmetic need not be aligned.
  @inlinable public static var misalignsse: CPUFeature { CPUFeature("misalignsse", 0x8000_0001, .ecx, 7) }
  @inlinable public static var syscall: CPUFeature { CPUFeature("syscall", 0x8000_0001, .edx, 11) }
  @inlinable public static var nx: CPUFeature { CPUFeature("nx", 0x8000_0001, .edx, 20) }
  @inlinable public static var fxsrOpt: CPUFeature { CPUFeature("fxsr_opt", 0x8000_0001, .edx, 25) }
  @inlinable public static var pdpe1gb: CPUFeature { CPUFeature("pdpe1gb", 0x8000_0001, .edx, 26) }
  @inlinable public static var rdtscp: CPUFeature { CPUFeature("rdtscp", 0x8000_0001, .edx, 27) }
  @inlinable public static var longMode: CPUFeature { CPUFeature("lm", 0x8000_0001, .edx, 29) }
  @inlinable public static var invariantTSC: CPUFeature { CPUFeature("invtsc", 0x8000_0007, .edx, 8) }
}

extension CPUFeature {
  /// Every feature that has a name here, in the order of leaves and bits.
  public static let all: [CPUFeature] = [
    .fpu, .de, .pse, .tsc, .msr, .pae, .mce, .cx8, .apic, .sep, .mtrr, .pge, .mca, .cmov, .pat, .pse36, .clflush, .mmx,
    .fxsr, .sse, .sse2,
    .sse3, .ssse3, .cx16, .pcid, .sse41, .sse42, .movbe, .popcnt, .xsave, .rdrand, .hypervisor, .fsgsbase, .bmi1,
    .smep, .bmi2, .erms, .invpcid, .rdseed, .adx, .smap, .clflushopt, .umip, .rdpid, .lahf, .lzcnt,
    .misalignsse, .syscall, .nx, .fxsrOpt, .pdpe1gb, .rdtscp, .longMode, .invariantTSC,
  ]

  /// What every CPU with long mode has: it cannot be left out.
  public static let required: [CPUFeature] = [
    .fpu, .pse, .msr, .pae, .cx8, .pge, .cmov, .pat, .mmx, .fxsr, .sse, .sse2, .syscall, .longMode,
  ]

  /// x86-64-v1 of the psABI, with what its first CPUs had besides, and the machine's APIC and MTRRs.
  public static let level1: [CPUFeature] = required + [.de, .apic, .mtrr, .sep, .pse36, .clflush, .nx, .hypervisor]
  /// x86-64-v2 of the psABI.
  public static let level2: [CPUFeature] = level1 + [.sse3, .ssse3, .cx16, .sse41, .sse42, .popcnt, .lahf]
}
