// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift target: language mode 6, no warning is let through, unsafe code is marked as such.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
]

/// The software engine is one hot loop over plain memory: its state block is fenced in its own types, and the
/// run-time exclusivity checks, which cost a third of its speed, are off. The sizes let the compiler end each case of
/// the interpreter's switch in a jump of its own, which the host predicts better than one that all of them share.
/// Functions begin with a cache line: where in one the loop begins, which any change elsewhere moves, is a tenth of its
/// speed.
let engine: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
  .unsafeFlags([
    "-enforce-exclusivity=unchecked", "-Xllvm", "-tail-dup-pred-size=4096", "-Xllvm", "-tail-dup-succ-size=4096",
    "-Xllvm", "-align-all-functions=6",
  ]),
]

/// Every event of a recording goes through these: without the run-time exclusivity checks, which are a fifth of what an
/// event costs. What the compiler can check of exclusivity it does check.
let perEvent: [SwiftSetting] = strict + [.unsafeFlags(["-enforce-exclusivity=unchecked"])]

func module(_ name: String, _ dependencies: [Target.Dependency], settings: [SwiftSetting] = strict) -> Target {
  .target(name: name, dependencies: dependencies, exclude: documents[name] ?? [], swiftSettings: settings)
}

/// Documents that stand beside the code they describe.
let documents: [String: [String]] = [
  "GDBStub": ["PROTOCOL.md"],
  "Trace": ["FORMAT.md"],
  "X86": ["README.md"],
]

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies + ["Support"], swiftSettings: strict)
}

let package = Package(
  name: "chronovisor",
  products: [.executable(name: "chronovisor", targets: ["chronovisor"])],
  targets: [
    .target(name: "CKVM"),
    .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(name: "CMemory"),
    module("VMMCore", []),
    module("GuestMemory", ["VMMCore"]),
    module("Devices", ["VMMCore"], settings: perEvent),
    module("Trace", ["CLZ4", "VMMCore"], settings: perEvent),
    module("X86", ["CMemory", "GuestMemory", "VMMCore"], settings: engine),
    module("KVM", ["CKVM", "GuestMemory", "VMMCore"]),
    module("Loaders", ["GuestMemory", "VMMCore"]),
    module("Machine", ["KVM", "X86", "Devices", "Trace", "Loaders", "GuestMemory", "VMMCore"], settings: perEvent),
    module(
      "Replay", ["Machine", "KVM", "X86", "Devices", "Trace", "Loaders", "GuestMemory", "VMMCore"], settings: perEvent),
    module("GDBStub", ["VMMCore"]),
    .executableTarget(
      name: "chronovisor",
      dependencies: ["Replay", "Machine", "GDBStub", "Loaders", "Trace", "KVM", "GuestMemory", "VMMCore"],
      swiftSettings: strict),
    .target(name: "Support", dependencies: ["VMMCore"], path: "Tests/Support", swiftSettings: strict),
    tests("VMMCoreTests", ["VMMCore"]),
    tests("GuestMemoryTests", ["GuestMemory", "VMMCore"]),
    tests("DevicesTests", ["Devices", "VMMCore"]),
    tests("TraceTests", ["Trace", "VMMCore"]),
    .target(name: "NativeOracle", path: "Tests/NativeOracle"),
    .executableTarget(name: "OracleServer", dependencies: ["NativeOracle"], path: "Tests/OracleServer"),
    .executableTarget(name: "LimitedRunner", path: "Tests/LimitedRunner"),
    tests("X86Tests", ["X86", "KVM", "GuestMemory", "VMMCore", "NativeOracle", "Loaders"]),
    tests("KVMTests", ["KVM", "GuestMemory", "VMMCore"]),
    tests("LoadersTests", ["Loaders", "GuestMemory", "VMMCore"]),
    tests("ReplayTests", ["Replay", "Machine", "KVM", "X86", "Devices", "Trace", "Loaders", "GuestMemory", "VMMCore"]),
    tests("GDBStubTests", ["GDBStub", "VMMCore"]),
    tests("GDBSessionTests", ["Trace", "VMMCore"]),
    tests("ArchitectureTests", []),
    tests("CommandLineTests", ["Trace", "VMMCore"]),
  ]
)
