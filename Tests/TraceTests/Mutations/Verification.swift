import Support

/// What `chronovisor verify` says of traces, under limits for each of them.
struct Verification {
  enum Verdict: Equatable {
    case exact
    case diverged
    case refused
    /// The recorded CPU has features that no engine of this host has: true or not, it cannot be replayed here.
    case unfit
    /// Anything else is a fault: a crash, a limit, a refusal without a place.
    case fault(String)
  }

  /// Seconds of CPU time, and bytes beside the guest's memory (of which these guests touch little), for each trace.
  static let seconds = 5
  static let memory = 256 << 20

  let folder: String
  let arguments: [String]

  /// The verdicts on some traces. They are looked at together first: where all of them keep within the limits of one,
  /// each does.
  func verdicts(of paths: [String]) -> [Verdict] {
    let result = run(paths)
    let lines = result.output.split(separator: "\n").map(String.init)
    if lines.count == paths.count, !result.ranOut, result.memory <= Verification.memory {
      return zip(lines, paths).map { verdict($0, $1) }
    }
    return paths.map { path in
      let result = run([path])
      if result.ranOut { return .fault("no verdict in \(Verification.seconds) s of CPU time") }
      if result.memory > Verification.memory { return .fault("\(result.memory >> 20) MiB of memory") }
      let line = result.output.split(separator: "\n").first.map(String.init)
      return line.map { verdict($0, path) } ?? .fault("status \(result.status): \(result.errors)")
    }
  }

  private func run(_ paths: [String]) -> LimitedCommand.Result {
    LimitedCommand(seconds: Verification.seconds).run(
      CommandRunner.chronovisor, ["verify"] + arguments + paths, in: folder)
  }

  private func verdict(_ line: String, _ path: String) -> Verdict {
    if line.hasPrefix("exact: \(path): ") { return .exact }
    if line.hasPrefix("diverged: \(path): ") { return .diverged }
    // What a later version may have written is named, and needs no place.
    let places = ["offset ", "unknown engine", "format version", "not a chronovisor trace", "cut off"]
    if line.hasPrefix("damaged: \(path): "), places.contains(where: { line.contains($0) }) { return .refused }
    if line.hasPrefix("failed: \(path): the recorded CPU has features that ") { return .unfit }
    return .fault(line)
  }
}
