import Foundation
import Testing

@testable import GDBStub

/// gdb's machine interface, driven as VS Code's cppdbg drives it: the next command goes out when the last is answered,
/// and after one that runs the machine, when it has stopped.
private final class MachineInterface {
  private let process = Process()
  private let (written, typed) = (Pipe(), Pipe())
  private var buffer = ""
  private var token = 100
  private let watchdog: DispatchWorkItem

  init(gdb: String) throws {
    process.executableURL = URL(filePath: gdb)
    process.arguments = ["-nx", "-q", "--interpreter=mi"]
    process.standardOutput = written
    process.standardError = written
    process.standardInput = typed
    try process.run()
    let number = process.processIdentifier
    watchdog = DispatchWorkItem { kill(number, SIGKILL) }
    DispatchQueue.global().asyncAfter(deadline: .now() + 60, execute: watchdog)
    _ = read(until: "(gdb)")
  }

  deinit {
    try? typed.fileHandleForWriting.close()
    process.waitUntilExit()
    watchdog.cancel()
  }

  /// Everything up to the answer's line and, with `stops`, the line that tells of the stop.
  func say(_ command: String, stops: Bool = false) -> String {
    token += 1
    typed.fileHandleForWriting.write(Data("\(token)\(command)\n".utf8))
    var text = read(until: "\(token)^") + read(until: "\n")
    if stops, !text.contains("error,"), !text.contains("*stopped") {
      text += read(until: "*stopped") + read(until: "\n")
    }
    return text
  }

  private func read(until mark: String) -> String {
    while true {
      if let range = buffer.range(of: mark) {
        defer { buffer = String(buffer[range.upperBound...]) }
        return String(buffer[..<range.upperBound])
      }
      let data = written.fileHandleForReading.availableData
      if data.isEmpty { return buffer }
      buffer += String(decoding: data, as: UTF8.self)
    }
  }
}

@Suite(.enabled(if: Tool.gdb != nil, "gdb is not installed"))
struct MachineInterfaceTests {
  @Test func whatAnEditorSends() throws {
    let served = try ServedTarget()
    let directory = try TemporaryDirectory()
    let script = try directory.write(GDBScript.commands, to: "chronovisor.gdb")
    let gdb = MachineInterfaceTests.client(try MachineInterface(gdb: try #require(Tool.gdb)))
    #expect(gdb("-interpreter-exec console \"source \(script)\"", false).contains("done"))
    #expect(gdb("-gdb-set pagination off", false).contains("done"))
    #expect(gdb("-target-select remote \(served.name)", false).contains("connected"))
    #expect(gdb("-list-target-features", false).contains("\"reverse\""), "step-back buttons")
    #expect(gdb("-thread-info", false).contains("details=\"CPU 0 [ring 0] at 0\""))
    #expect(gdb("-stack-list-frames", false).contains("addr=\"0x0000000000001000\""))
    #expect(gdb("-data-list-register-names", false).contains("\"gdtr_base\""))
    #expect(gdb("-data-list-register-values x 15 16", false).contains("0x1122334455667788"))
    #expect(gdb("-data-read-memory-bytes 0x1000 8", false).contains("contents=\"31c048ffc0488904\""))
    #expect(gdb("-data-disassemble -s 0x1000 -e 0x1005 -- 0", false).contains("inc    %rax"))
    #expect(gdb("-break-insert -f *0x1020", false).contains("done,bkpt="))
    #expect(gdb("-exec-continue", true).contains("reason=\"breakpoint-hit\""))
    #expect(gdb("-exec-step-instruction", true).contains("reason=\"end-stepping-range\""))
    #expect(gdb("-exec-step-instruction --reverse", true).contains("addr=\"0x0000000000001020\""))
    #expect(gdb("-exec-continue --reverse", true).contains("No more reverse-execution history."))
    #expect(gdb("-interpreter-exec console \"seek 3+2\"", true).contains("addr=\"0x0000000000001012\""))
    #expect(gdb("-interpreter-exec console \"when\"", false).contains("position 3+2 of"))
    #expect(gdb("-target-detach", false).contains("done"))
    #expect(served.wait() == .detached)
  }

  private static func client(_ interface: MachineInterface) -> (String, Bool) -> String {
    { interface.say($0, stops: $1) }
  }
}
