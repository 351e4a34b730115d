import Foundation
import Testing

/// Programs that sessions need. Where one is missing the tests that want it are skipped, by name.
enum Tool {
  static let gdb = find("gdb")
  /// The first LLDB that starts: one whose libraries are missing is of no use.
  static let lldb = (["lldb"] + (14...21).reversed().map { "lldb-\($0)" }).lazy.compactMap { find($0) }.first {
    (try? output(of: $0, ["--version"]))?.contains("lldb version") == true
  }
  static let assembler = find("as")
  static let linker = find("ld")

  private static func find(_ name: String) -> String? {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin"
    return path.split(separator: ":").map { "\($0)/\(name)" }.first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
  }
}

/// A directory that is gone with its owner.
final class TemporaryDirectory {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "gdbstub-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appending(path: name).path }

  func write(_ text: String, to name: String) throws -> String {
    try Data(text.utf8).write(to: url.appending(path: name))
    return path(name)
  }
}

/// Runs a program to its end and returns what it printed on both streams; ended after `limit` seconds.
/// `whileRunning` is called once the program has been started.
func output(
  of program: String, _ arguments: [String], input: String = "", limit: Double = 900,
  whileRunning: (Process) -> Void = { _ in }
) throws -> String {
  let process = Process()
  process.executableURL = URL(filePath: program)
  process.arguments = arguments
  var environment = ProcessInfo.processInfo.environment
  environment["LC_ALL"] = "C"
  environment["DEBUGINFOD_URLS"] = nil
  process.environment = environment
  let (written, typed) = (Pipe(), Pipe())
  process.standardOutput = written
  process.standardError = written
  process.standardInput = typed
  // Threads of the test pool block signals, and a child would inherit that: gdb must get SIGINT.
  var (none, before) = (sigset_t(), sigset_t())
  unsafe pthread_sigmask(SIG_SETMASK, &none, &before)
  defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
  try process.run()
  typed.fileHandleForWriting.write(Data(input.utf8))
  try? typed.fileHandleForWriting.close()
  let watchdog = DispatchWorkItem { kill(process.processIdentifier, SIGKILL) }
  DispatchQueue.global().asyncAfter(deadline: .now() + limit, execute: watchdog)
  whileRunning(process)
  let data = written.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  watchdog.cancel()
  return String(decoding: data, as: UTF8.self)
}
