import Loaders
import Machine
import Replay
import Testing
import VMMCore

/// Which CPU models which engine lets its guests have.
@Suite struct EngineModelTests {
  @Test(arguments: [EngineKind.kvm, .hybrid], ["tsc", "rdtscp", "invtsc", "rdrand", "rdseed"])
  func whatTheGuestWouldReadPastTheLogIsRefused(kind: EngineKind, feature: String) {
    let message = "\(feature): KVM lets the guest read it past the log: use --engine software"
    #expect(throws: CPUModelError(message)) { try kind.cpuModels.model("default,+\(feature)") }
  }

  @Test func theSoftwareEngineHasAllOfItsModels() throws {
    let catalogue = EngineKind.software.cpuModels
    for model in catalogue.models { #expect(try catalogue.model(model.name).has(.sse2)) }
    #expect(try catalogue.model("max").features.count == catalogue.offered.count)
    #expect(try catalogue.model("max").has(.rdrand) && !catalogue.defaultModel.has(.rdrand))
    #expect(catalogue.defaultModel.has(.apic) && !catalogue.defaultModel.has(.tsc))
  }

  @Test(arguments: EngineKind.allCases) func theDefaultIsTheCataloguesDefault(kind: EngineKind) {
    #expect(kind.defaultCPUModel == kind.cpuModels.defaultModel)
  }

  @Test func withoutAnAPICThereIsNoMPTable() throws {
    let catalogue = EngineKind.software.cpuModels
    #expect(Firmware.tables(for: try catalogue.model("default")).placements.count == 2)
    #expect(Firmware.tables(for: try catalogue.model("default,-apic")).placements.count == 1)
  }
}
