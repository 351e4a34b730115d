internal import Machine
internal import Replay
internal import Trace
internal import VMMCore

/// `chronovisor verify TRACE...`: replays every trace and compares everything.
enum VerifyCommand: Command {
  static let name = "verify"
  static let synopsis = "[OPTIONS] TRACE..."
  static let summary = "replay traces, compare everything, a line each"
  static let options = [
    Option(
      "--engine", value: "ENGINE",
      help: "auto (default: the recording's, or software where that is sooner), kvm, software or kvm+software"),
    translationOption,
    Option("--repeat", value: "N", help: "replay each trace N times: all must end in the same state"),
    Option("--junit", value: "FILE", help: "write a JUnit report"),
  ]

  static func run(_ arguments: Arguments) throws -> Int32 {
    guard !arguments.operands.isEmpty else { throw UsageError("no trace given: chronovisor verify TRACE...") }
    try arguments.chooseTranslation()
    let repeats = try arguments.number("--repeat") ?? 1
    guard repeats >= 1 else { throw UsageError("--repeat 0: give at least 1") }
    if let file = arguments.value("--junit") { try checkWritable(file, as: "report") }
    let stop = try ReplayStop()
    var results: [VerifyResult] = []
    for path in arguments.operands where !stop.isRequested {
      let result = verify(path, engine: try arguments.engineKind(), repeats: repeats, stop)
      say(result.line)
      for line in result.details { complain(line) }
      results.append(result)
    }
    let verdict = results.map(\.status).max { $0.severity < $1.severity }?.exitStatus ?? ExitStatus.success
    let status = stop.exitStatus ?? verdict
    if let file = arguments.value("--junit") {
      do { try JUnitReport(results).write(to: file) } catch {
        complain("chronovisor verify: \(error)")
        return status == ExitStatus.success ? ExitStatus.failure : status
      }
    }
    return status
  }

  private static func verify(
    _ path: String, engine: EngineKind?, repeats: UInt64, _ stop: ReplayStop
  ) -> VerifyResult {
    let clock = Stopwatch()
    var first: ReplayOutcome?
    do {
      let replayer = try TraceReplayer(path: path, engine: engine)
      replayer.shouldStop = { stop.isRequested }
      for round in 1...repeats {
        let outcome = try replayer.replay { _ in }
        if let first, first.final != outcome.final {
          return VerifyResult(
            path: path, status: .diverged, seconds: clock.seconds,
            summary: "replay \(round) ended in another state than the first",
            details: ["  first \(first.final)", "  now   \(outcome.final)"])
        }
        first = outcome
      }
      return VerifyResult(
        path: path, status: .exact, seconds: clock.seconds,
        summary: replayer.summary(of: first!, repeats: repeats), details: replayer.notes)
    } catch let divergence as Divergence {
      let command = "chronovisor verify \(engine.map { "--engine \($0) " } ?? "")\(path)"
      return VerifyResult(
        path: path, status: .diverged, seconds: clock.seconds, summary: "\(divergence.kind)",
        details: divergence.report + ["  reproduce with: \(command)"])
    } catch let error as TraceError {
      return VerifyResult(
        path: path, status: error.isDataError ? .damaged : .failed, seconds: clock.seconds, summary: "\(error)")
    } catch let interrupted as ReplayInterrupted {
      return VerifyResult(
        path: path, status: .failed, seconds: clock.seconds,
        summary: "stopped by the user after \(interrupted.events) events")
    } catch {
      return VerifyResult(path: path, status: .failed, seconds: clock.seconds, summary: "\(error)")
    }
  }
}

/// How the verification of one trace went.
struct VerifyResult {
  enum Status: String {
    case exact, failed, damaged, diverged

    var exitStatus: Int32 {
      switch self {
      case .exact: ExitStatus.success
      case .failed: ExitStatus.failure
      case .damaged, .diverged: ExitStatus.dataError
      }
    }

    /// Which of several results names the exit status.
    var severity: Int {
      switch self {
      case .exact: 0
      case .failed: 1
      case .damaged: 2
      case .diverged: 3
      }
    }
  }

  var path: String
  var status: Status
  var seconds: Double
  var summary: String
  var details: [String] = []

  var line: String { "\(status.rawValue): \(path): \(summary)" }
}
