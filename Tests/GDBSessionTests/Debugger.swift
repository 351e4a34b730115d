import Foundation
import Support
import Testing

/// The real gdb on `chronovisor replay`.
enum Debugger {
  static let isAvailable = CommandRunner.run("/usr/bin/env", ["gdb", "--version"]).status == 0

  static let patience = CommandRunner.patience

  /// What the lines hold that long moves tell.
  static let progress = " million instructions gone through, "

  /// Carries out commands, each one whatever became of the one before; what gdb showed on both streams.
  ///
  /// - Parameters:
  ///   - options: of `chronovisor replay`.
  ///   - script: Python that gdb carries out after the commands.
  ///   - showsProgress: what long moves tell on their way is a part of it.
  ///   - environment: added to this process's.
  static func run(
    _ trace: String, _ commands: [String] = [], options: [String] = [], script: String? = nil,
    showsProgress: Bool = false, environment: [String: String] = [:]
  ) -> String {
    let folder = TemporaryFolder()
    var words = ["-nx", "-batch", "-iex", "set pagination off", "-iex", "set width 0"]
    words += commands.flatMap { ["-ex", $0] }
    if let script { words += ["-x", folder.write(Array(script.utf8), to: "script.py")] }
    // Both streams into one, in the order in which they are written.
    let line = ([CommandRunner.chronovisor, "replay"] + options + [trace, "--"] + words).map(quoted)
    let result = CommandRunner.run(
      "/bin/sh", ["-c", "exec " + line.joined(separator: " ") + " 2>&1"],
      environment: ["LC_ALL": "C", "DEBUGINFOD_URLS": ""].merging(environment) { $1 }, seconds: patience)
    #expect(result.status == 0 && !result.timedOut, "status \(result.status):\n\(result.output)")
    // On a busy machine whatever takes long tells how it gets on.
    let lines = result.output.components(separatedBy: "\n").filter { showsProgress || !$0.contains(progress) }
    return lines.joined(separator: "\n")
  }

  /// Carries out commands in a gdb that stands alone; what it showed on both streams.
  static func attach(_ commands: [String], symbols: String? = nil) -> String {
    let words = ["gdb", "-nx", "-q", "-batch"] + commands.flatMap { ["-ex", $0] } + (symbols.map { [$0] } ?? [])
    let result = CommandRunner.run(
      "/bin/sh", ["-c", words.map(quoted).joined(separator: " ") + " 2>&1"],
      environment: ["LC_ALL": "C", "DEBUGINFOD_URLS": ""], seconds: patience)
    #expect(!result.timedOut)
    return result.output
  }

  private static func quoted(_ word: String) -> String { "'\(word.replacing("'", with: "'\\''"))'" }
}

/// The pieces come in this order in a text.
func expect(_ pieces: [String], in text: String, sourceLocation: SourceLocation = #_sourceLocation) {
  var rest = text[...]
  for piece in pieces {
    guard let range = rest.range(of: piece) else {
      Issue.record("\(piece) is missing from:\n\(rest)\nall:\n\(text)", sourceLocation: sourceLocation)
      return
    }
    rest = rest[range.upperBound...]
  }
}

/// How often a piece occurs in a text.
func count(_ piece: String, in text: String) -> Int { text.components(separatedBy: piece).count - 1 }
