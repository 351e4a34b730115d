internal import Foundation
internal import Synchronization

/// Runs programs the way a user does, with a time limit: a command that hangs is a failure, not a hanging test.
public struct CommandRunner: Sendable {
  public struct Result: Sendable {
    /// The exit status; 128 + n for one that signal n ended.
    public var status: Int32
    public var output: String
    public var errors: String
    /// The time limit ran out, and the command was killed.
    public var timedOut: Bool
    /// The raw bytes of stdout.
    public var bytes: [UInt8]
  }

  /// Where the build puts its products: beside the running test.
  public static let products: String = {
    let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return (executable as NSString).deletingLastPathComponent
  }()

  /// The program under test.
  public static let chronovisor = products + "/chronovisor"

  /// For the programs that tests start: what they keep for later stays with the build.
  public static var environment: [String: String] {
    ProcessInfo.processInfo.environment.merging(["XDG_CACHE_HOME": products + "/cache"]) { $1 }
  }

  /// Generous, because machines are busy: what hangs fails by it, and what is slow does not.
  public static let patience: Double = 900

  /// Runs a program to its end.
  /// - Parameters:
  ///   - input: what it reads from stdin.
  ///   - environment: added to this process's.
  ///   - seconds: how long it may take.
  public static func run(
    _ program: String, _ arguments: [String], input: String = "", environment: [String: String] = [:],
    directory: String? = nil, seconds: Double = patience
  ) -> Result {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.environment = self.environment.merging(environment) { $1 }
    process.currentDirectoryURL = URL(fileURLWithPath: directory ?? SourceTree.root)
    let (standardInput, output, errors) = (Pipe(), Pipe(), Pipe())
    process.standardInput = standardInput
    process.standardOutput = output
    process.standardError = errors
    do { try process.run() } catch {
      return Result(status: -1, output: "", errors: "cannot start \(program): \(error)", timedOut: false, bytes: [])
    }
    let timedOut = Atomic<Bool>(false)
    let killer = DispatchWorkItem {
      timedOut.store(true, ordering: .relaxed)
      kill(process.processIdentifier, SIGKILL)
    }
    DispatchQueue.global().asyncAfter(deadline: .now() + seconds, execute: killer)
    try? standardInput.fileHandleForWriting.write(contentsOf: Data(input.utf8))
    try? standardInput.fileHandleForWriting.close()
    let collectedErrors = Mutex(Data())
    let group = DispatchGroup()
    DispatchQueue.global().async(group: group) {
      let data = errors.fileHandleForReading.readDataToEndOfFile()
      collectedErrors.withLock { $0 = data }
    }
    let collected = output.fileHandleForReading.readDataToEndOfFile()
    group.wait()
    process.waitUntilExit()
    killer.cancel()
    let status = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    return Result(
      status: status, output: String(decoding: collected, as: UTF8.self),
      errors: String(decoding: collectedErrors.withLock { $0 }, as: UTF8.self),
      timedOut: timedOut.load(ordering: .relaxed), bytes: [UInt8](collected))
  }

  public static func chronovisor(
    _ arguments: String..., input: String = "", environment: [String: String] = [:], seconds: Double = patience
  ) -> Result {
    run(chronovisor, arguments, input: input, environment: environment, seconds: seconds)
  }
}

/// A folder for one test, removed with everything in it when the test lets go of it.
public final class TemporaryFolder: Sendable {
  public let path: String

  public init() {
    path = NSTemporaryDirectory() + "chronovisor-" + UUID().uuidString
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  public func file(_ name: String) -> String { path + "/" + name }

  @discardableResult
  public func write(_ bytes: [UInt8], to name: String) -> String {
    _ = FileManager.default.createFile(atPath: file(name), contents: Data(bytes))
    return file(name)
  }
}

/// A whole file, for tests.
public func bytesOfFile(_ path: String) -> [UInt8] {
  FileManager.default.contents(atPath: path).map { [UInt8]($0) } ?? []
}

/// Writes a whole file, for tests.
public func writeFile(_ path: String, _ bytes: [UInt8]) {
  _ = FileManager.default.createFile(atPath: path, contents: Data(bytes))
}
