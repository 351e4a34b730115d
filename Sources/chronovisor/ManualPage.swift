/// The manual page, made from the help texts, so that it cannot go stale.
enum ManualPage {
  /// In the language of man(7).
  static var text: String {
    var lines = [
      ".TH CHRONOVISOR 1 \"\" \"chronovisor \(version)\" \"User Commands\"",
      ".SH NAME", "chronovisor \\- record a whole virtual machine once and re\\-execute that run exactly",
      ".SH SYNOPSIS", ".B chronovisor", ".I VERB", "[OPTIONS] [OPERANDS]", ".SH VERBS",
    ]
    for command in commands { lines += section(command) }
    lines += [".SH EXIT STATUS"] + exitStatuses.flatMap { item($0.0, $0.1) }
    lines += [".SH ENVIRONMENT"]
    lines += item(
      "CHRONOVISOR_TRACE_DIR", "the traces directory (default: chronovisor in $XDG_DATA_HOME, or in ~/.local/share)")
    lines += [".SH SEE ALSO", ".BR gdb (1)"]
    return lines.joined(separator: "\n") + "\n"
  }

  private static let exitStatuses = [
    ("0", "record and run: the guest powered off, reset or halted for good; the other verbs: success"),
    ("odd numbers", "record and run: (v << 1) | 1 when the guest wrote v to the debug-exit port 0xf4"),
    ("1", "a wrong command line, or trouble of the host"),
    ("65", "a damaged trace, or a replay that left the recorded path"),
    ("124", "record and run: the time limit ran out; the trace is kept"),
  ]

  private static func section(_ command: any Command.Type) -> [String] {
    var lines = [".SS chronovisor \(escaped(command.name)) \(escaped(command.synopsis))", escaped(command.summary)]
    for option in command.options {
      lines += item(option.names.joined(separator: ", ") + (option.value.map { " " + $0 } ?? ""), option.help)
    }
    return lines
  }

  /// A bold head and its text.
  private static func item(_ head: String, _ text: String) -> [String] {
    [".TP", "\\fB\(escaped(head))\\fR", escaped(text)]
  }

  /// Text as roff takes it: no control lines, and hyphens that can be copied.
  private static func escaped(_ text: String) -> String {
    let plain = text.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\e")
      .split(separator: "-", omittingEmptySubsequences: false).joined(separator: "\\-")
    return plain.hasPrefix(".") || plain.hasPrefix("'") ? "\\&" + plain : plain
  }
}
