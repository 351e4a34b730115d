internal import Glibc
internal import Loaders
internal import Replay
internal import Trace
internal import VMMCore

/// `chronovisor record GUEST`.
enum RecordCommand: Command {
  static let name = "record"
  static let synopsis = "[OPTIONS] GUEST"
  static let summary = "run a guest and write a trace of everything that enters it"
  static let options =
    MachineOptions.options + [
      Option("--output", "-o", value: "TRACE", help: "where to write (default: the traces directory)"),
      Option("--no-digests", help: "leave the state digests out (to measure what they cost)"),
      Option("--all-digests", help: "a state digest at every interaction: slow, and finds the first that differs"),
    ]

  static func run(_ arguments: Arguments) throws -> Int32 {
    if CPUHelp.answers(arguments) { return ExitStatus.success }
    var options = try MachineOptions(arguments)
    if arguments.has("--all-digests") { options.session.digests = .all }
    if arguments.has("--no-digests") { options.session.digests = .none }
    let run = try GuestRun(options)
    let directory = arguments.value("--output") == nil ? try TraceDirectory() : nil
    func begin(_ path: String) throws -> TraceWriter {
      try TraceWriter(path: path, header: run.header, machine: run.guest.machine)
    }
    let writer =
      try directory?.beginTrace(for: options.guestPath, begin) ?? begin(arguments.value("--output") ?? "")
    let outcome: RunOutcome
    do {
      outcome = try run.execute(writer: writer)
    } catch let error as TraceError {
      let rest = writer.isInPlace ? "the trace is good up to there, and incomplete" : "there is no new trace"
      complain("chronovisor record: \(error); \(rest)")
      if writer.isInPlace { directory?.setLatest(writer.path) }
      return ExitStatus.failure
    }
    directory?.setLatest(writer.path)
    complain(
      "chronovisor: \(outcome.end.phrase); \(outcome.events) events, \(writer.size) bytes in \(writer.path)")
    return outcome.end.exitStatus
  }
}

/// `chronovisor run GUEST`: the same machine without a trace.
enum RunCommand: Command {
  static let name = "run"
  static let synopsis = "[OPTIONS] GUEST"
  static let summary = "the same without a trace: the yardstick for what recording costs"
  static let options =
    MachineOptions.options + [
      Option("--stats", help: "say at the end what was executed, and what of it was translated")
    ]

  static func run(_ arguments: Arguments) throws -> Int32 {
    if CPUHelp.answers(arguments) { return ExitStatus.success }
    let run = try GuestRun(MachineOptions(arguments))
    let statistics = arguments.has("--stats") ? run.measure() : nil
    let outcome = try run.execute(writer: nil)
    complain("chronovisor: \(outcome.end.phrase)")
    if let statistics { complain("chronovisor: \(statistics())") }
    return outcome.end.exitStatus
  }
}
