import Support
import Testing

/// A bare-metal guest, recorded once in a test run on each engine.
enum BareMetal: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case kvm
  case software

  var testDescription: String { rawValue }

  /// The engines that this host has.
  static var available: [BareMetal] { kvmAvailable ? [.software, .kvm] : [.software] }

  /// A recording of a guest of Tests/Guests.
  func record(_ guest: String, commandLine: String, in folder: TemporaryFolder) -> String {
    let path = folder.file("\(guest)-\(rawValue).trace")
    let result = CommandRunner.run(
      CommandRunner.chronovisor,
      ["record", "--engine", rawValue, "--append", commandLine, "-o", path, TestGuests.path(guest)],
      seconds: Debugger.patience)
    // The race may strike.
    #expect(result.status == 0 || guest == "race" && result.status == 3, "\(result.errors)")
    return path
  }
}
