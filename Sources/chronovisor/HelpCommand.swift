/// Every verb, in the order in which `help` lists them.
var commands: [any Command.Type] {
  [
    RecordCommand.self, RunCommand.self, ReplayCommand.self, VerifyCommand.self, ResolveCommand.self, InfoCommand.self,
    DumpCommand.self,
    DiffCommand.self, ListCommand.self, DoctorCommand.self, HelpCommand.self, VersionCommand.self,
  ]
}

/// What `chronovisor help` writes.
enum HelpFormat: String, CaseIterable { case text, man, bash }

/// `chronovisor help [VERB]`.
enum HelpCommand: Command {
  static let name = "help"
  static let synopsis = "[VERB]"
  static let summary = "what each verb does, or all options of one"
  static let options = [
    Option("--format", value: "FORMAT", help: "text (default), man (a manual page of all verbs) or bash (completion)")
  ]

  static func run(_ arguments: Arguments) throws -> Int32 {
    if let format = arguments.value("--format") {
      guard let format = HelpFormat(rawValue: format) else {
        throw UsageError(
          "--format \(format): give one of " + HelpFormat.allCases.map(\.rawValue).joined(separator: ", "))
      }
      guard arguments.operands.isEmpty || format == .text else {
        throw UsageError("--format \(format.rawValue) is about all verbs")
      }
      switch format {
      case .text: break
      case .man:
        StandardOutput.write([UInt8](ManualPage.text.utf8))
        return ExitStatus.success
      case .bash:
        StandardOutput.write([UInt8](BashCompletion.script.utf8))
        return ExitStatus.success
      }
    }
    guard let name = arguments.operands.first else {
      say(overview)
      return ExitStatus.success
    }
    guard let command = commands.first(where: { $0.name == name }) else {
      throw UsageError("no verb \(name): see `chronovisor help`")
    }
    say(details(of: command))
    return ExitStatus.success
  }

  static var overview: String {
    var text = "chronovisor records a whole virtual machine once and re-executes that run exactly.\n\n"
    for command in commands { text += "  " + pad(command.name, to: 10) + command.summary + "\n" }
    return text + "\n`chronovisor help VERB` lists the options of a verb."
  }

  static func details(of command: any Command.Type) -> String {
    var text = "chronovisor \(command.name) \(command.synopsis)\n  \(command.summary)\n"
    for option in command.options {
      let names = option.names.joined(separator: ", ") + (option.value.map { " " + $0 } ?? "")
      text += "\n  " + pad(names, to: 28) + option.help
    }
    return text
  }

  static func pad(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
}

/// `chronovisor version`.
enum VersionCommand: Command {
  static let name = "version"
  static let synopsis = ""
  static let summary = "the version"
  static let options: [Option] = []
  static func run(_ arguments: Arguments) throws -> Int32 {
    say("chronovisor \(version)")
    return ExitStatus.success
  }
}

/// The version of the tools; the trace format has a version of its own.
let version = "0.1.0"
