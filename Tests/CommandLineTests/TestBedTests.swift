import Support
import Testing

/// What Tools/testbed says without booting anything; `CHRONOVISOR_TESTBED=1 Tools/test` boots it.
@Suite struct TestBedTests {
  private func testbed(_ arguments: String...) -> CommandRunner.Result {
    CommandRunner.run(SourceTree.root + "/Tools/testbed", arguments)
  }

  @Test func itSaysHowItIsUsed() {
    let help = testbed("--help")
    #expect(help.status == 0)
    for word in ["svm", "vmx", "--ryzen", "results/"] { #expect(help.output.contains(word)) }
  }

  @Test(arguments: [[], ["arm"], ["--nonsense", "svm"], ["--binary", "/no/such/file", "svm"]])
  func wrongCommandLinesAreRefused(arguments: [String]) {
    #expect(CommandRunner.run(SourceTree.root + "/Tools/testbed", arguments).status == 1)
  }
}
