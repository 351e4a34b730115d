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
    ]

  static func run(_ arguments: Arguments) throws -> Int32 {
    if CPUHelp.answers(arguments) { return ExitStatus.success }
    var options = try MachineOptions(arguments)
    options.session.takesDigests = !arguments.has("--no-digests")
    let run = try GuestRun(options)
    let directory = arguments.value("--output") == nil ? try TraceDirectory() : nil
    let path = try arguments.value("--output") ?? directory!.newTrace(for: options.guestPath)
    let writer = try TraceWriter(path: path, header: run.header, machine: run.guest.machine)
    let outcome: RunOutcome
    do {
      outcome = try run.execute(writer: writer)
    } catch let error as TraceError {
      complain("chronovisor record: \(error); the trace is good up to there, and incomplete")
      return ExitStatus.failure
    }
    directory?.setLatest(path)
    complain(
      "chronovisor: \(outcome.end.phrase); \(outcome.events) events, \(writer.size) bytes in \(path)")
    return outcome.end.exitStatus
  }
}

/// `chronovisor run GUEST`: the same machine without a trace.
enum RunCommand: Command {
  static let name = "run"
  static let synopsis = "[OPTIONS] GUEST"
  static let summary = "the same without a trace: the yardstick for what recording costs"
  static let options = MachineOptions.options

  static func run(_ arguments: Arguments) throws -> Int32 {
    if CPUHelp.answers(arguments) { return ExitStatus.success }
    let outcome = try GuestRun(MachineOptions(arguments)).execute(writer: nil)
    complain("chronovisor: \(outcome.end.phrase)")
    return outcome.end.exitStatus
  }
}
