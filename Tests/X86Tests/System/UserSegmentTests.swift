import GuestMemory
import Testing
import VMMCore

@testable import X86

/// Data segments on the way to an outer level (Intel SDM vol. 2, IRET), measured on a family 19h processor.
@Suite struct UserSegmentTests {
  @Test func iretTakesAwayWhatUserModeMayNotUse() throws {
    let machine = try SystemMachine([0x48, 0xcf]) {
      $0.ds = Segment(selector: 2, base: 0, limit: 0, attributes: unusableSegment)
      $0.es = Segment(selector: SystemMachine.kernelData, base: 0, limit: .max, attributes: 0xc093)
      $0.fs = Segment(selector: 0, base: 0x1234_5678, limit: 0, attributes: unusableSegment)
      $0.gs = Segment(selector: SystemMachine.userData | 3, base: 0x1000, limit: .max, attributes: 0xc0f3)
    }
    machine.setStack([SystemMachine.code, 0x2b, 2, 0x7000, 0x23])
    try machine.run(1)
    let state = try machine.engine.state()
    #expect(state.privilegeLevel == 3)
    #expect(state.ds.selector == 0, "null loses its RPL")
    #expect(state.es.selector == 0 && state.es.isUnusable)
    #expect(state.fs.selector == 0 && state.fs.base == 0x1234_5678, "a base of its own")
    #expect(state.gs.selector == 0x23 && state.gs.base == 0x1000)
  }

  @Test func iretToTheSameLevelKeepsThem() throws {
    let machine = try SystemMachine([0x48, 0xcf]) {
      $0.ds = Segment(selector: 3, base: 0, limit: 0, attributes: unusableSegment)
    }
    machine.setStack([SystemMachine.code, 0x08, 2, 0x7000, 0x10])
    try machine.run(1)
    #expect(try machine.engine.state().ds.selector == 3)
  }
}
