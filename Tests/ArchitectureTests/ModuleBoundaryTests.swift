import Support
import Testing

/// Arrows between modules point down only.
@Suite struct ModuleBoundaryTests {
  /// What each module may import besides the standard library and the C library.
  static let allowed: [(module: String, imports: Set<String>)] = [
    ("VMMCore", []),
    ("GuestMemory", ["VMMCore"]),
    ("Devices", ["VMMCore"]),
    ("Trace", ["VMMCore", "CLZ4"]),
    ("X86", ["VMMCore", "GuestMemory", "CMemory"]),
    ("KVM", ["VMMCore", "GuestMemory", "CKVM"]),
    ("Loaders", ["VMMCore", "GuestMemory"]),
    ("Machine", ["VMMCore", "GuestMemory", "Devices", "Trace", "X86", "KVM", "Loaders"]),
    ("Replay", ["VMMCore", "GuestMemory", "Devices", "Trace", "X86", "KVM", "Loaders", "Machine"]),
    ("GDBStub", ["VMMCore"]),
    ("chronovisor", ["VMMCore", "GuestMemory", "Trace", "KVM", "Machine", "Replay", "GDBStub", "Loaders"]),
  ]
  static let everywhere: Set<String> = ["Glibc", "Synchronization"]

  @Test(arguments: allowed) func importsOnlyWhatIsBelow(module: String, imports: Set<String>) {
    let files = SourceTree.files(below: "Sources/" + module)
    #expect(!files.isEmpty, "no sources of \(module) found")
    for file in files {
      for name in ModuleBoundaryTests.imports(in: file) {
        #expect(imports.contains(name) || ModuleBoundaryTests.everywhere.contains(name), "\(file) imports \(name)")
      }
    }
  }

  @Test func everyModuleIsListed() {
    let modules = SourceTree.entries(of: SourceTree.root + "/Sources").filter {
      !["CKVM", "CLZ4", "CMemory"].contains($0)
    }
    #expect(modules.sorted() == ModuleBoundaryTests.allowed.map(\.module).sorted())
  }

  @Test func topLevelHoldsOnlyWhatTheDesignNames() {
    let names = SourceTree.entries(of: SourceTree.root)
    #expect(Set(names).isSubset(of: ["Package.swift", "Sources", "Tests", "Traces", "Tools", "README.md"]), "\(names)")
  }

  /// Module names after `import`, with any access level before it.
  static func imports(in file: String) -> [String] {
    SourceTree.lines(of: file).compactMap { line in
      let words = line.split(separator: " ")
      guard let at = words.firstIndex(of: "import"), at <= 2, at + 1 < words.count else { return nil }
      guard words[..<at].allSatisfy({ ["public", "internal", "package", "private", "@testable"].contains($0) }) else {
        return nil
      }
      return words[at + 1].split(separator: ".").first.map(String.init)
    }
  }
}
