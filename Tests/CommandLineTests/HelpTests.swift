import Support
import Testing

/// What a user reads, and what the shell completes: both come from the verbs' own lists.
@Suite struct HelpTests {
  private static let verbs = [
    "record", "run", "replay", "verify", "resolve", "info", "dump", "diff", "ls", "doctor", "help", "version",
  ]

  /// The long and short names in the options that `help VERB` lists.
  private func options(of verb: String) -> [String] {
    CommandRunner.chronovisor("help", verb).output.split(separator: "\n").dropFirst()
      .compactMap { $0.drop { $0 == " " }.hasPrefix("-") ? $0.split(separator: " ") : nil }
      .flatMap { $0.prefix { $0.hasPrefix("-") }.map { $0.hasSuffix(",") ? String($0.dropLast()) : String($0) } }
  }

  @Test func version() {
    let result = CommandRunner.chronovisor("--version")
    #expect(result.status == 0 && result.output.hasPrefix("chronovisor "), "\(result)")
  }

  @Test func everyVerbIsListedAndExplained() {
    let overview = CommandRunner.chronovisor("help").output
    for verb in Self.verbs {
      #expect(overview.contains("\n  \(verb) "), "\(verb) is missing from \(overview)")
      #expect(CommandRunner.chronovisor("help", verb).output.hasPrefix("chronovisor \(verb)"))
    }
    #expect(options(of: "replay").contains("--goto") && options(of: "replay").contains("-g"))
  }

  @Test func theManualPageHasEveryVerbAndOption() {
    let page = CommandRunner.chronovisor("help", "--format", "man").output
    #expect(page.hasPrefix(".TH CHRONOVISOR 1"))
    for verb in Self.verbs {
      #expect(page.contains("\n.SS chronovisor \(verb)"))
      for option in options(of: verb) {
        let escaped = option.replacing("-", with: "\\-")
        #expect(page.contains("\\fB\(escaped)") || page.contains(", \(escaped)"), "\(verb) \(option)")
      }
    }
  }

  /// The words that bash offers for the last one.
  private func completions(_ words: String...) -> [String] {
    let folder = TemporaryFolder()
    let file = folder.write(CommandRunner.chronovisor("help", "--format", "bash").bytes, to: "completion")
    let script = """
      source \(file)
      compopt() { :; }
      COMP_WORDS=(chronovisor \(words.map { "'\($0)'" }.joined(separator: " ")))
      COMP_CWORD=\(words.count)
      _chronovisor
      printf '%s\\n' "${COMPREPLY[@]}"
      """
    let result = CommandRunner.run("/usr/bin/env", ["bash", "-u", "-c", script])
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    return result.output.split(separator: "\n").map(String.init)
  }

  @Test func bashCompletes() {
    #expect(completions("re") == ["record", "replay", "resolve"])
    #expect(completions("replay", "--ser") == ["--serve"])
    #expect(completions("record", "--engine", "k") == ["kvm", "kvm+software"])
    #expect(completions("record", "--cpu", "x") == ["x86-64", "x86-64-v2"])
    #expect(completions("help", "dum") == ["dump"])
    #expect(completions("verify", "READ") == ["README.md"])
    for verb in Self.verbs where verb != "help" {
      #expect(Set(options(of: verb)).subtracting(completions(verb, "-")).isEmpty)
    }
  }

  @Test func anUnknownFormatIsRefused() {
    let result = CommandRunner.chronovisor("help", "--format", "html")
    #expect(result.status == 1 && result.errors.contains("give one of text, man, bash"), "\(result)")
  }
}
