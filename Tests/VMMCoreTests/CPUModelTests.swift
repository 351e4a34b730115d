import Testing
import VMMCore

@Suite struct CPUModelTests {
  @Test func featuresHaveNamesAndBitsOfTheirOwn() {
    #expect(Set(CPUFeature.all.map(\.name)).count == CPUFeature.all.count)
    let places = CPUFeature.all.map { "\($0.leaf) \($0.register) \($0.bit)" }
    #expect(Set(places).count == places.count)
    for feature in CPUFeature.all { #expect(CPUFeature.named(feature.name) == feature) }
    #expect(CPUFeature.named("avx") == nil)
  }

  @Test func cpuidReportsExactlyWhatIsAskedFor() {
    for feature in CPUFeature.all {
      let without = CPUModel(name: "x", features: CPUFeature.all.filter { $0 != feature }, brand: "x")
      #expect(without.features == CPUFeature.all.filter { $0 != feature }, "without \(feature.name)")
      let only = CPUModel(name: "x", features: [feature], brand: "x")
      #expect(only.features == [feature], "only \(feature.name)")
    }
  }

  @Test(
    arguments: [
      (CPUFeature.level2, 1), (CPUFeature.level2 + [.bmi1], 7), (CPUFeature.level2 + [.xsave], 13),
    ] as [([CPUFeature], UInt32)])
  func theHighestLeafIsAsLowAsCanBe(_ features: [CPUFeature], _ highest: UInt32) {
    let model = CPUModel(name: "x", features: features, brand: "x")
    #expect(model.lookup(leaf: 0, subleaf: 0).eax == highest)
    #expect(model.leaves.filter { $0.leaf < 0x4000_0000 }.allSatisfy { $0.leaf <= highest })
    #expect(model.lookup(leaf: 0x8000_0000, subleaf: 0).eax == 0x8000_0008)
  }

  @Test func theBrandIsInThreeLeaves() {
    let brand = "a processor with a name of 45 characters ...."
    let model = CPUModel(name: "x", features: [], brand: brand)
    var text: [UInt8] = []
    for leaf in UInt32(0x8000_0002)...0x8000_0004 {
      let words = model.lookup(leaf: leaf, subleaf: 0)
      for word in [words.eax, words.ebx, words.ecx, words.edx] {
        for shift in stride(from: UInt32(0), to: 32, by: 8) { text.append(UInt8(word >> shift & 0xff)) }
      }
    }
    #expect(text == Array(brand.utf8) + [UInt8](repeating: 0, count: 48 - brand.utf8.count))
  }
}

@Suite struct CPUCatalogueTests {
  private let catalogue = CPUCatalogue(
    engine: "test", offered: CPUFeature.level2 + [.movbe], defaults: CPUFeature.level1 + [.sse3], brand: "brand",
    refusals: [(.tsc, "no clock")])

  @Test func namesMeanModels() throws {
    func features(_ text: String) throws -> Set<String> { Set(try catalogue.model(text).features.map(\.name)) }
    #expect(try features("x86-64") == Set(CPUFeature.level1.map(\.name)))
    #expect(try features("default") == Set((CPUFeature.level1 + [.sse3]).map(\.name)))
    #expect(try features("max") == Set((CPUFeature.level2 + [.movbe]).map(\.name)))
    let changed = CPUFeature.level2.filter { $0 != .popcnt } + [.movbe]
    #expect(try features("max,-movbe,-popcnt,+movbe") == Set(changed.map(\.name)))
    #expect(try catalogue.model("max,-apic").name == "max,-apic")
    #expect(catalogue.defaultModel == (try catalogue.model("default")))
  }

  @Test(arguments: [
    ("", "no CPU model : there are default, x86-64, x86-64-v2, max; `--cpu help` lists the features"),
    ("core2", "no CPU model core2: there are default, x86-64, x86-64-v2, max; `--cpu help` lists the features"),
    ("max,avx", "avx: give +FEATURE, -FEATURE or undefined=PROFILE after the CPU model"),
    ("max,", ": give +FEATURE, -FEATURE or undefined=PROFILE after the CPU model"),
    ("max,+avx", "no CPU feature avx: `--cpu help` lists them"),
    ("max,+tsc", "tsc: no clock"),
    ("max,+bmi1", "bmi1: the test engine does not have it here"),
    ("max,-sse2", "-sse2: every 64-bit CPU has it"),
  ])
  func saysWhatIsWrong(_ text: String, _ message: String) {
    #expect(throws: CPUModelError(message)) { try catalogue.model(text) }
  }
}
