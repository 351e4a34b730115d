import Foundation
import Support
import Synchronization

/// `chronovisor replay` serving debuggers in a process of its own.
final class ServedReplay: @unchecked Sendable {
  /// What gdb's `target remote` takes.
  let name: String
  private let process = Process()
  private let complaints = Pipe()
  private let said = Mutex("")
  private let drained = DispatchGroup()

  /// - Parameter endpoint: `-s PORT`, `--socket PATH`, ...
  init(_ trace: String, _ endpoint: [String], options: [String] = ["-k"]) throws {
    process.executableURL = URL(fileURLWithPath: CommandRunner.chronovisor)
    process.arguments = ["replay"] + endpoint + options + [trace]
    process.currentDirectoryURL = URL(fileURLWithPath: SourceTree.root)
    process.standardError = complaints
    process.standardInput = FileHandle.nullDevice
    try process.run()
    var text = ""
    while !text.contains("target remote "), case let data = complaints.fileHandleForReading.availableData, !data.isEmpty
    {
      text += String(decoding: data, as: UTF8.self)
    }
    name = text.components(separatedBy: "target remote ").last?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
    said.withLock { $0 = text }
    DispatchQueue.global().async(group: drained) { [complaints, self] in
      let rest = complaints.fileHandleForReading.readDataToEndOfFile()
      said.withLock { $0 += String(decoding: rest, as: UTF8.self) }
    }
  }

  var port: UInt16? { name.split(separator: ":").last.flatMap { UInt16($0) } }

  /// As a shell has it.
  struct End {
    var status: Int32
    /// All that it said on stderr.
    var messages: String
  }

  func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

  /// Waits until it has ended on its own.
  func wait() -> End {
    process.waitUntilExit()
    drained.wait()
    let status = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    return End(status: status, messages: said.withLock { $0 })
  }

  @discardableResult
  func stop() -> End {
    send(SIGTERM)
    return wait()
  }
}
