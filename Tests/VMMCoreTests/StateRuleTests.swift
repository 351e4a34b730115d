import Testing
import VMMCore

/// What a digest leaves out of segment registers, by each rule.
@Suite struct StateRuleTests {
  enum Mode: CaseIterable { case real, virtual8086, protected, long }
  typealias Register = WritableKeyPath<CPUState, Segment>

  private static func state(_ mode: Mode, _ register: Register, _ selector: UInt16, limit: UInt32) -> CPUState {
    var state = CPUState()
    if mode != .real { state.cr0 |= 1 }
    if mode == .virtual8086 { state.rflags |= 1 << 17 }
    if mode == .long { state.efer |= 1 << 10 }
    state.cs.attributes = mode == .long ? 0xa09b : 0xc09b
    state[keyPath: register] = Segment(selector: selector, base: 0, limit: limit, attributes: 0xc093)
    return state
  }

  /// The rules under which two limits make no difference.
  private static func blind(_ mode: Mode, _ register: Register, _ selector: UInt16) -> [StateRule] {
    let (small, large) = (state(mode, register, selector, limit: 0), state(mode, register, selector, limit: .max))
    return StateRule.allCases.filter { rule in
      let isBlind = small.digest(rule) == large.digest(rule)
      #expect(isBlind == small.differences(from: large, rule).isEmpty)
      return isBlind
    }
  }

  @Test(arguments: UInt16(0)...3) func nothingIsLeftBehindANullSelector(selector: UInt16) {
    #expect(StateRuleTests.blind(.long, \.ss, selector) == [.third, .fourth, .fifth])
    for mode in Mode.allCases { #expect(StateRuleTests.blind(mode, \.ldtr, selector) == [.fourth, .fifth]) }
    for register in [\.ds, \.es, \.fs, \.gs] as [Register] {
      #expect(StateRuleTests.blind(.protected, register, selector) == [.fourth, .fifth])
      #expect(StateRuleTests.blind(.long, register, selector) == [.second, .third, .fourth, .fifth])
      for mode in [Mode.real, .virtual8086] { #expect(StateRuleTests.blind(mode, register, selector) == []) }
    }
  }

  @Test(arguments: [UInt16(4), 0x10]) func elsewhereTheLimitCounts(selector: UInt16) {
    #expect(StateRuleTests.blind(.long, \.ss, selector) == [])
    for register in [\.ds, \.es, \.fs, \.gs, \.ldtr] as [Register] {
      #expect(StateRuleTests.blind(.protected, register, selector) == [])
    }
    #expect(StateRuleTests.blind(.protected, \.ss, 0) == [])
  }

  /// AF is undefined behind many instructions, so digests leave it out; a place that differs in it is another place.
  @Test func theAuxiliaryCarryTellsPlacesApart() {
    let clear = CPUState()
    var set = clear
    set.rflags |= 1 << 4
    for rule in StateRule.allCases {
      #expect(clear.digest(rule) == set.digest(rule))
      #expect((clear.placeDigest(rule) == set.placeDigest(rule)) == (rule != .fifth))
      #expect(clear.digest(rule) == clear.placeDigest(rule))
    }
  }
}
