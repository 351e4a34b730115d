internal import Glibc
internal import Trace

extension TraceDirectory {
  /// The trace that the user means: a file, or the name of one in the traces directory (with or without its ending).
  static func find(_ name: String) -> String {
    if unsafe access(name, F_OK) == 0 || name.contains("/") { return name }
    guard let directory = try? TraceDirectory() else { return name }
    for candidate in ["\(directory.path)/\(name)", "\(directory.path)/\(name).trace"] {
      if unsafe access(candidate, F_OK) == 0 { return candidate }
    }
    return name
  }
}

extension Arguments {
  /// The trace that a verb with at most one operand is about: without one the latest in the traces directory.
  func traceOperand() throws -> String {
    if !operands.isEmpty { return TraceDirectory.find(try onlyOperand("trace")) }
    let latest = try TraceDirectory().latest
    guard unsafe access(latest, F_OK) == 0 else {
      throw UsageError("no trace given, and there is no \(latest): record one, or name a file")
    }
    return latest
  }
}

extension TraceReader {
  /// In a word: complete, incomplete or damaged.
  var state: String { damage != nil ? "damaged" : isComplete ? "complete" : "incomplete" }
}
