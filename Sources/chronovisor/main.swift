internal import Glibc
internal import Replay
internal import Trace

// A reader that goes away (a closed pipe) is an error of the write, not the end of the process.
signal(SIGPIPE, SIG_IGN)
StandardOutput.occupyClosedDescriptors()
let words = Array(CommandLine.arguments.dropFirst())
exit(StandardOutput.finish(words.first ?? "", status: runCommandLine(words)))

/// Finds the verb, runs it, and turns every error into one line on stderr.
func runCommandLine(_ words: [String]) -> Int32 {
  guard let name = words.first else {
    complain(HelpCommand.overview)
    return ExitStatus.failure
  }
  let spelled = ["--help": "help", "-h": "help", "--version": "version"][name] ?? name
  guard let command = commands.first(where: { $0.name == spelled }) else {
    complain("chronovisor: no verb \(name): see `chronovisor help`")
    return ExitStatus.failure
  }
  do {
    if words.dropFirst().contains(where: { $0 == "--help" || $0 == "-h" }) {
      say(HelpCommand.details(of: command))
      return ExitStatus.success
    }
    return try command.run(Arguments(Array(words.dropFirst()), options: command.options))
  } catch let error as TraceError where error.isDataError {
    complain("chronovisor \(command.name): \(printable(error.description))")
    return ExitStatus.dataError
  } catch let divergence as Divergence {
    for line in divergence.report { complain(line) }
    return ExitStatus.dataError
  } catch {
    complain("chronovisor \(command.name): \(error)")
    return ExitStatus.failure
  }
}
