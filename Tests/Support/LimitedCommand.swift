internal import Foundation

/// Runs a program under limits that the kernel enforces, and says what it took. CPU time and not the time of day: a
/// busy machine makes no difference.
public struct LimitedCommand: Sendable {
  /// Seconds of CPU time, at which the kernel ends the process.
  public var seconds: Int

  public struct Result: Sendable {
    /// The exit status; 128 + n for a process that signal n ended.
    public var status: Int32
    public var output: String
    public var errors: String
    /// Seconds of CPU time that it took.
    public var seconds: Double
    /// Bytes of memory that it held at most.
    public var memory: Int
    /// It was ended at the limit of CPU time.
    public var ranOut: Bool { status == 128 + SIGXCPU || status == 128 + SIGKILL }
  }

  /// `Tests/LimitedRunner`.
  private static let runner = CommandRunner.products + "/LimitedRunner"

  public init(seconds: Int) { self.seconds = seconds }

  /// Runs a program to its end. The runner's report goes into a folder.
  public func run(_ program: String, _ arguments: [String], in folder: String) -> Result {
    let report = folder + "/report"
    try? FileManager.default.removeItem(atPath: report)
    let result = CommandRunner.run(LimitedCommand.runner, ["\(seconds)", report, program] + arguments)
    let numbers = String(decoding: bytesOfFile(report), as: UTF8.self).split(separator: " ").compactMap {
      Int($0.filter(\.isNumber))
    }
    guard numbers.count == 3 else {
      return Result(status: -1, output: "", errors: "cannot start \(program)", seconds: 0, memory: 0)
    }
    let signal = Int32(numbers[0] & 0x7f)
    return Result(
      status: signal == 0 ? Int32(numbers[0] >> 8 & 0xff) : 128 + signal, output: result.output, errors: result.errors,
      seconds: Double(numbers[1]) / 1_000_000, memory: numbers[2] * 1024)
  }
}
