internal import Machine
internal import Replay
internal import VMMCore

/// The completion for bash, made from the verbs and their options, so that it cannot go stale.
enum BashCompletion {
  static var script: String {
    let verbs = commands.map { $0.name }
    return """
      # Bash completion of chronovisor, made by `chronovisor help --format bash`.
      _chronovisor() {
        local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options=
        COMPREPLY=()
        if [ "$COMP_CWORD" -eq 1 ]; then
          COMPREPLY=($(compgen -W "\(verbs.joined(separator: " ")) --help --version" -- "$word"))
          return
        fi
        case $before in
      \(values)
        esac
        case ${COMP_WORDS[1]} in
      \(commands.map(options).joined(separator: "\n"))
        esac
        case $word in
          -*) COMPREPLY=($(compgen -W "$options --help" -- "$word")) ;;
          *) compopt -o filenames; COMPREPLY=($(compgen -f -- "$word")) ;;
        esac
      }
      complete -F _chronovisor chronovisor

      """
  }

  private static func options(of command: any Command.Type) -> String {
    if command.name == HelpCommand.name {
      let verbs = commands.map { $0.name }.joined(separator: " ")
      return "    help) COMPREPLY=($(compgen -W \"\(verbs)\" -- \"$word\")); return ;;"
    }
    let names = command.options.flatMap(\.names).joined(separator: " ")
    return "    \(command.name)) options=\"\(names)\" ;;"
  }

  /// What follows an option whose value is one of a few words. Other values are files, or whatever the user types.
  private static var values: String {
    var seen: Set<String> = []
    var lines: [String] = []
    for option in commands.flatMap({ $0.options }) where !option.choices.isEmpty {
      guard seen.insert(option.names[0]).inserted else { continue }
      let words = option.choices.joined(separator: " ")
      lines.append(
        "    \(option.names.joined(separator: "|"))) COMPREPLY=($(compgen -W \"\(words)\" -- \"$word\")); return ;;")
    }
    return lines.joined(separator: "\n")
  }
}

extension Option {
  /// The words that its value is one of; empty where it may be anything.
  fileprivate var choices: [String] {
    switch value {
    case "ENGINE": EngineChoice.allCases.map(\.rawValue)
    case "CLOCK": ClockChoice.allCases.map(\.rawValue)
    case "MODEL": EngineKind.software.cpuModels.models.map(\.name) + ["help"]
    case "FORMAT": HelpFormat.allCases.map(\.rawValue)
    default: []
    }
  }
}
