import Support
import Testing

/// A bare-metal guest, recorded once in a test run on each engine.
enum BareMetal: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case kvm
  case software

  var testDescription: String { rawValue }

  /// The engines that this host has.
  static var available: [BareMetal] { kvmAvailable ? [.software, .kvm] : [.software] }

  /// A recording of a guest of Tests/Guests that ends well.
  func record(_ guest: String, commandLine: String, in folder: TemporaryFolder) -> String {
    let path = folder.file("\(guest)-\(rawValue).trace")
    var result = record(guest, commandLine, to: path)
    // The race strikes on KVM in a few runs in a hundred; the sessions know the run in which it does not.
    for _ in 0..<50 where guest == "race" && result.status == 3 { result = record(guest, commandLine, to: path) }
    #expect(result.status == 0, "\(result.errors)")
    return path
  }

  private func record(_ guest: String, _ commandLine: String, to path: String) -> CommandRunner.Result {
    CommandRunner.run(
      CommandRunner.chronovisor,
      ["record", "--engine", rawValue, "--append", commandLine, "-o", path, TestGuests.path(guest)],
      seconds: Debugger.patience)
  }
}
