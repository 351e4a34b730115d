import Testing

@testable import X86

/// The rules one by one.
@Suite struct SystemRuleTests {
  @Test(
    arguments: SystemRule.controlRegisters + SystemRule.debugRegisters + SystemRule.modelRegisters + SystemRule.contexts
  )
  func registers(_ rule: SystemRule) throws { #expect(try rule.outcome() == rule.right) }

  @Test(arguments: SystemRule.privileges + SystemRule.coprocessor)
  func instructions(_ rule: SystemRule) throws { #expect(try rule.outcome() == rule.right) }

  @Test(arguments: SystemRule.segmentLoads + SystemRule.tables)
  func segments(_ rule: SystemRule) throws { #expect(try rule.outcome() == rule.right) }

  @Test(arguments: SystemRule.gates + SystemRule.returns + SystemRule.addresses)
  func transfers(_ rule: SystemRule) throws { #expect(try rule.outcome() == rule.right) }
}
