import Support
import Testing

/// A bare-metal guest, recorded once in a test run on each engine.
enum BareMetal: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case kvm
  case software
  /// Kernel mode in software, user mode on the CPU.
  case both = "kvm+software"

  var testDescription: String { rawValue }

  /// The engines that this host has.
  static var available: [BareMetal] { kvmAvailable ? [.software, .kvm] : [.software] }

  /// The engines that this host has and that can interrupt user mode whenever a device asks for it.
  static let interruptingUserMode: [BareMetal] = {
    guard kvmAvailable else { return [.software] }
    let folder = TemporaryFolder()
    let arguments = ["--append", "1", "-o", folder.file("userspin.trace"), TestGuests.path("userspin")]
    return [.software]
      + [.kvm, .both].filter {
        CommandRunner.run(CommandRunner.chronovisor, ["record", "--engine", $0.rawValue] + arguments).status == 0
      }
  }()

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
