public import VMMCore

extension CPUCatalogue {
  /// What the software engine implements. CPUID can report all of it; by default it leaves out the time-stamp counter
  /// and the random numbers (each reading is an event in the log), XSAVE, process contexts and machine checks.
  public static let software = CPUCatalogue(
    engine: "software",
    offered: softwareDefaults + [
      .mce, .mca, .tsc, .rdtscp, .invariantTSC, .rdrand, .rdseed, .xsave, .pcid, .invpcid,
    ],
    defaults: softwareDefaults, brand: "chronovisor software CPU")

  /// x86-64-v2 and what else is cheap.
  private static let softwareDefaults: [CPUFeature] =
    CPUFeature.level2 + [
      .movbe, .fsgsbase, .bmi1, .smep, .bmi2, .erms, .adx, .smap, .clflushopt, .umip, .rdpid, .lzcnt, .pdpe1gb,
    ]
}

extension CPUModel {
  /// What CPUID tells guests of the software engine by default.
  public static let softwareDefault = CPUCatalogue.software.defaultModel
}
