import Foundation
import Testing

@testable import GDBStub

/// LLDB's gdb-remote client on a fake target.
@Suite(.enabled(if: Tool.lldb != nil, "lldb is not installed, or does not start"))
struct LLDBSessionTests {
  @Test func connectsReadsAndSteps() throws {
    let served = try ServedTarget()
    let lldb = try #require(Tool.lldb)
    let commands = [
      "gdb-remote \(served.name)", "register read rip r15", "memory read -c 8 0x1000", "thread step-inst",
      "breakpoint set -a 0x1020", "continue", "register read rax", "breakpoint delete 1",
      "watchpoint set expression -w write -s 8 -- 0x2000",
      "continue", "process plugin packet monitor when", "disassemble -s 0x1020 -c 2", "process detach",
    ]
    let text = try output(of: lldb, ["--no-lldbinit", "--batch"] + commands.flatMap { ["-o", $0] })
    let expected = [
      "stop reason = signal SIGTRAP", "rip = 0x0000000000001000", "r15 = 0x1122334455667788",
      "31 c0 48 ff c0 48 89 04", "stop reason = instruction step into", "0x0000000000001002",
      "stop reason = breakpoint 1.1", "rax = 0x0000000000000001", "stop reason = watchpoint 1", "position 1+4 of 11+4",
      "addq   %rbx, %rcx",
      "Process 1 detached",
    ]
    var rest = text[...]
    for line in expected {
      guard let range = rest.range(of: line) else {
        Issue.record("\(line) is missing from:\n\(rest)\nall:\n\(text)")
        break
      }
      rest = rest[range.upperBound...]
    }
    #expect(served.stop() == .detached)
  }
}
