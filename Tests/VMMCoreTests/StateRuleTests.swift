import Testing
import VMMCore

/// What a digest leaves out of SS, by each rule.
@Suite struct StateRuleTests {
  private static func state(selector: UInt16, limit: UInt32, attributes: UInt32 = 0xc093, is64Bit: Bool = true)
    -> CPUState
  {
    var state = CPUState()
    if is64Bit { state.efer |= 1 << 10 }
    state.cs.attributes = is64Bit ? 0xa09b : 0xc09b
    state.ss = Segment(selector: selector, base: 0, limit: limit, attributes: attributes)
    return state
  }

  /// The rules under which two limits make no difference.
  private static func blind(_ selector: UInt16, is64Bit: Bool = true) -> [StateRule] {
    let (small, large) = (
      state(selector: selector, limit: 0, is64Bit: is64Bit), state(selector: selector, limit: .max, is64Bit: is64Bit)
    )
    return StateRule.allCases.filter { rule in
      let isBlind = small.digest(rule) == large.digest(rule)
      #expect(isBlind == small.differences(from: large, rule).isEmpty)
      return isBlind
    }
  }

  @Test(arguments: UInt16(0)...3) func nothingIsLeftBehindANullSelector(selector: UInt16) {
    #expect(StateRuleTests.blind(selector) == [.third])
  }

  @Test func elsewhereTheLimitCounts() {
    #expect(StateRuleTests.blind(0x10) == [])
    #expect(StateRuleTests.blind(4) == [])
    #expect(StateRuleTests.blind(0, is64Bit: false) == [])
  }
}
