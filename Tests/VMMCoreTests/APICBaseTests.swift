import Testing
import VMMCore

@Suite struct APICBaseTests {
  /// An engine that has only what the local APIC and the vCPU share.
  private final class TwoRegisters: Engine {
    let name = "test"
    var taskPriority: UInt8 = 7
    var apicBase = APICBase.standard
    var stopsAtLowerTaskPriority = false
    var stopsWhenInterruptible = false
    let retiredInstructions: UInt64? = nil

    func setTaskPriority(_ priority: UInt8) { taskPriority = priority }
    func run(_ limit: RunLimit) -> VCPUExit { .stopped }
    func reply(_ value: UInt64) {}
    func replyFault() {}
    func acknowledge() {}
    func settle() -> Bool { true }
    func state() -> CPUState { CPUState() }
    func setState(_ state: CPUState) {}
    func isInterruptible() -> Bool { false }
    func inject(interrupt vector: UInt8) {}
    func injectNMI() {}
    func collectDirtyPages() {}
    func kick() {}
  }

  private func priority(after exit: VCPUExit, base: UInt64 = APICBase.standard) throws -> UInt8 {
    let engine = TwoRegisters()
    engine.apicBase = base
    try engine.followTaskPriority(exit)
    return engine.taskPriority
  }

  private func store(_ address: UInt64, _ value: UInt64, size: UInt8 = 4) -> VCPUExit {
    .mmioWrite(address: GuestPhysicalAddress(address), size: size, value: value)
  }

  @Test func storesToTPRAreCR8() throws {
    #expect(try priority(after: store(0xfee0_0080, 0x5c)) == 5)
    #expect(try priority(after: store(0xfee0_0080, 0xffff_ff00)) == 0)
    #expect(try priority(after: store(0xfee0_0080, 0x9_0000_0030, size: 8)) == 3)
  }

  @Test func nothingElseIs() throws {
    let others = [
      store(0xfee0_0084, 0x50), store(0xfee0_0080, 0x50, size: 1), store(0xfed0_0080, 0x50),
      .mmioRead(address: GuestPhysicalAddress(0xfee0_0080), size: 4), .halt,
    ]
    for exit in others { #expect(try priority(after: exit) == 7, "\(exit)") }
  }

  @Test func thePageIsWhereTheBaseSays() throws {
    let moved: UInt64 = 0x12_3456_7000 | APICBase.enabled
    #expect(try priority(after: store(0x12_3456_7080, 0x20), base: moved) == 2)
    #expect(try priority(after: store(0xfee0_0080, 0x20), base: moved) == 7)
    #expect(try priority(after: store(0xfee0_0080, 0x20), base: 0xfee0_0100) == 7)
  }
}
