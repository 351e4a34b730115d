import Support
import Testing
import VMMCore

@testable import Replay

/// A guest that comes to a state again is found out, and none that does not.
@Suite struct StateCycleTests {
  /// The number of looks that a guest is found out at, which begins to go round after `lead` of them, with `period`.
  private func looks(lead: UInt64, period: UInt64, atMost: UInt64 = 10_000) -> UInt64? {
    var cycle = StateCycle()
    for look in 1...atMost {
      let step = look < lead ? look : lead + (look - lead) % period
      var state = CPUState()
      state.rax = step / 7
      if cycle.isRepeated(state, memory: step % 7, after: cycle.next) { return look }
    }
    return nil
  }

  @Test(arguments: [0, 1, 5, 100] as [UInt64], [1, 2, 3, 7, 60] as [UInt64])
  func everyCycleIsFound(lead: UInt64, period: UInt64) throws {
    let found = try #require(looks(lead: lead, period: period))
    #expect(found > lead && found <= 4 * (lead + period) + 4)
  }

  @Test func countingIsNoCycle() { #expect(looks(lead: .max, period: 1) == nil) }

  @Test func looksComeAtEqualDistances() {
    var cycle = StateCycle()
    let first = cycle.next
    _ = cycle.isRepeated(CPUState(), memory: 0, after: first)
    #expect(cycle.next == 2 * first)
    for length in UInt64(1)...16 { #expect(first % length == 0) }
  }
}
