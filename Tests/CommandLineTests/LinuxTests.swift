import Support
import Testing

/// Linux sessions are recorded and replayed by the program itself, as a user would.
@Suite(.enabled(if: LinuxGuests.areAvailable, "\(LinuxGuests.reason)")) struct LinuxTests {
  @Test func theShellDoesWhatIsTyped() {
    let result = LinuxGuests.session.result
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.errors.contains("the guest halted for good"), "\(result.errors)")
    let output = result.output.replacing("\r\n", with: "\n")
    for expected in [
      "\nline 1\nline 2\nline 3\n", "\nLINE 3\nLINE 2\n", "\nfirst done\n", "\nsecond done\n", "\nboth are done\n",
      "\ncaught USR1\ngoing on\n", "\nstatus 143\n", "\nstatus 139\n", "\nbye\n", "\npowering off\n",
    ] {
      #expect(output.contains(expected), "\(expected) is missing from:\n\(output)")
    }
  }

  @Test func everyReplayIsExact() {
    let repeats = LongTests.areOn ? 20 : 2
    let result = CommandRunner.chronovisor(
      "verify", "--repeat", "\(repeats)", LinuxGuests.session.path, seconds: Double(300 * repeats))
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    #expect(result.output.hasPrefix("exact: "), "\(result.output)")
    #expect(result.output.contains("(\(repeats) times, all alike)"), "\(result.output)")
  }
}
