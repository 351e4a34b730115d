internal import Replay
internal import Trace
internal import VMMCore

/// `chronovisor replay -a [TRACE]`: re-executes a trace and prints its console.
enum ReplayCommand: Command {
  static let name = "replay"
  static let synopsis = "-a [OPTIONS] [TRACE]"
  static let summary = "re-execute a trace (default: the latest)"
  static let options = [
    Option("--autopilot", "-a", help: "replay to the end without gdb, check everything, print the console"),
    Option("--engine", value: "ENGINE", help: "auto (default: the recording's), kvm or software"),
  ]

  static func run(_ arguments: Arguments) throws -> Int32 {
    guard arguments.has("--autopilot") else {
      throw UsageError("give -a: this version replays without gdb only")
    }
    let path = arguments.operands.isEmpty ? try TraceDirectory().latest : try arguments.onlyOperand("trace")
    let console = ConsoleWriter()
    defer { console.flush() }
    do {
      let replayer = try TraceReplayer(path: path, engine: try arguments.engineKind())
      let outcome = try replayer.replay { console.put($0) }
      console.flush()
      complain("chronovisor: replay exact: " + replayer.summary(of: outcome, repeats: 1))
      for note in replayer.notes { complain(note) }
      return ExitStatus.success
    } catch let divergence as Divergence {
      console.flush()
      for line in divergence.report { complain(line) }
      complain("  reproduce with: chronovisor replay -a \(path)")
      return ExitStatus.dataError
    } catch let error as TraceError where error.isDataError {
      console.flush()
      complain("chronovisor replay: \(error)")
      return ExitStatus.dataError
    }
  }
}

extension Arguments {
  /// The engine that `--engine` names; `nil` for `auto`.
  func engineKind() throws -> EngineKind? {
    guard let text = value("--engine"), text != "auto" else { return nil }
    guard let kind = EngineKind(rawValue: text) else {
      throw UsageError("--engine \(text): give one of auto, kvm, software")
    }
    return kind
  }
}
