import KVM
import Support
import Testing
import VMMCore

/// Everything that needs `/dev/kvm`. The suites that extend it are skipped where there is none.
@Suite(.enabled(if: kvmAvailable, "no /dev/kvm"))
enum KVMTests {}

extension KVMEngine {
  /// An engine that stands at the begin of a probe guest.
  convenience init(_ guest: ProbeGuest) throws {
    try self.init(memory: guest.memory)
    try setState(guest.state)
  }

  /// Runs through interactions, answering reads by `answer` and everything else plainly, up to the first HLT or other
  /// end, which comes last in the list.
  func interactions(limit: Int = 10_000, answer: (VCPUExit) -> UInt64 = { _ in 0 }) throws -> [VCPUExit] {
    var exits: [VCPUExit] = []
    while exits.count < limit {
      let exit = try run(.free)
      exits.append(exit)
      if exit == .halt || !exit.isInteraction { break }
      if exit.wantsReply { reply(answer(exit)) } else if case .msrWrite = exit { acknowledge() }
    }
    return exits
  }
}

/// Makes the code of a guest readable: `code(MachineCode.mov(.rcx, 3), MachineCode.hlt)`.
func code(_ parts: [UInt8]...) -> [UInt8] { parts.flatMap { $0 } }
