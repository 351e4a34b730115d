internal import Trace

/// `chronovisor info [TRACE]`.
enum InfoCommand: Command {
  static let name = "info"
  static let synopsis = "[--json] [TRACE]"
  static let summary = "what a trace holds: guest, engine, host, events by kind, how it ended"
  static let options = [Option("--json", help: "one JSON object")]

  static func run(_ arguments: Arguments) throws -> Int32 {
    let description = TraceDescription(of: try TraceReader(path: arguments.traceOperand()))
    var output = LineOutput()
    if arguments.has("--json") {
      output.line(description.json.text)
    } else {
      for line in description.lines { output.line(line) }
    }
    output.flush()
    return description.state == "damaged" ? ExitStatus.dataError : ExitStatus.success
  }
}
