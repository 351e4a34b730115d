internal import Trace
internal import VMMCore

/// `chronovisor dump [TRACE]`.
enum DumpCommand: Command {
  static let name = "dump"
  static let synopsis = "[--from POSITION] [--to POSITION] [--json] [TRACE]"
  static let summary = "the events of a trace, a line each, with the position at which each comes"
  static let options = [
    Option("--from", value: "POSITION", help: "begin there (a position is what the first column shows)"),
    Option("--to", value: "POSITION", help: "end there; events right at it are shown"),
    Option("--json", help: "a JSON object on each line"),
  ]

  static func run(_ arguments: Arguments) throws -> Int32 {
    let from = try arguments.position("--from") ?? .begin
    let to = try arguments.position("--to")
    let reader = try TraceReader(path: arguments.traceOperand())
    var output = LineOutput()
    defer { output.flush() }
    var cursor = reader.makeCursor()
    try cursor.seek(ordinal: from.ordinal)
    while !output.isClosed {
      let ordinal = cursor.ordinal
      guard let event = try cursor.next() else { break }
      let position = event.position(ordinal: ordinal)
      if position < from { continue }
      if let to, position > to { break }
      output.line(arguments.has("--json") ? event.json(ordinal: ordinal).text : line(event, at: position))
    }
    if !reader.isComplete, to == nil { complain("chronovisor dump: \(reader.path) ends here: it is incomplete") }
    return ExitStatus.success
  }

  static func line(_ event: TraceEvent, at position: Position) -> String {
    HelpCommand.pad(position.description, to: 12) + printable(event.description)
  }
}

extension Arguments {
  /// The value of an option that takes a position.
  func position(_ name: String) throws -> Position? {
    guard let text = value(name) else { return nil }
    guard let position = Position(text) else {
      throw UsageError("\(name) \(text): give a position as `dump` shows it, such as 1234 or 1234+56")
    }
    return position
  }
}
