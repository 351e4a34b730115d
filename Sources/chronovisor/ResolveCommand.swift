internal import Machine
internal import Replay
internal import Trace
internal import VMMCore

/// `chronovisor resolve TRACE`: turns the fingerprints of a KVM recording into instruction counts, once and for all.
enum ResolveCommand: Command {
  static let name = "resolve"
  static let synopsis = "-o NEW TRACE"
  static let summary = "replay a recording on the software engine and write it anew with exact instruction counts"
  static let options = [Option("--output", "-o", value: "NEW", help: "the trace to write")]

  static func run(_ arguments: Arguments) throws -> Int32 {
    let path = try arguments.onlyOperand("trace")
    guard let output = arguments.value("--output") else { throw UsageError("no output given: -o NEW") }
    guard !isSameFile(output, path) else { throw UsageError("-o \(output) is the trace itself: give another file") }
    let stop = try ReplayStop()
    do {
      let replayer = try TraceReplayer(path: path, engine: .software)
      replayer.shouldStop = { stop.isRequested }
      let outcome = try replayer.resolve(to: output)
      complain("chronovisor: " + replayer.summary(of: outcome, repeats: 1) + "; written to \(output)")
      return ExitStatus.success
    } catch let interrupted as ReplayInterrupted {
      complain(
        "chronovisor resolve: stopped by the user after \(interrupted.events) events: \(output) was not written")
      return stop.exitStatus ?? ExitStatus.failure
    } catch let divergence as Divergence {
      for line in divergence.report { complain(line) }
      complain("  the trace cannot be resolved here: \(output) was not written")
      return ExitStatus.dataError
    }
  }
}
