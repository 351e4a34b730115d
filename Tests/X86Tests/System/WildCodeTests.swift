import Glibc
import GuestMemory
import Testing
import VMMCore

@testable import X86

/// Random bytes as code, at CPL 0 and 3: the engine must survive them, and take the same way in one piece and in many.
/// CHRONOVISOR_WILD_BLOBS sets how many.
@Suite struct WildCodeTests {
  private static let count: UInt64 = {
    unsafe getenv("CHRONOVISOR_WILD_BLOBS").flatMap { unsafe UInt64(String(cString: $0)) } ?? 400
  }()

  @Test(arguments: [false, true])
  func survivesAnything(user: Bool) throws {
    let machine = try SystemMachine([], user: user)
    let start = try machine.engine.state()
    for seed in 0..<WildCodeTests.count {
      var random = Random(seed: seed << 1 | (user ? 1 : 0))
      var state = start
      for number in 0..<16 {
        let word = random.next()
        state.gpr[number] = word & 3 == 0 ? word : 0x8000 + word >> 50
      }
      state.gpr[4] = SystemMachine.stack
      state.rflags = random.next() & 0x0cd5 | 2
      let first = run(machine, state, seed, pieces: .free)
      if seed % 8 == 0 {
        #expect(run(machine, state, seed, pieces: .instructions(1)) == first, "blob \(seed)")
      }
    }
  }

  /// Runs the blob of a seed for at most 200 instructions; the digest of where it ends.
  private func run(_ machine: SystemMachine, _ state: CPUState, _ seed: UInt64, pieces: RunLimit) -> UInt64 {
    var random = Random(seed: ~seed)
    let memory = machine.memory
    // What the last blob left is cleaned up: tables, stacks and code.
    for page in memory.takeDirtyPages() {
      unsafe memset(memory.host(ofPage: page), 0, pageSize)
    }
    SystemMachine.fill(memory)
    var code: [UInt8] = []
    for _ in 0..<8 {
      let word = random.next()
      for shift in stride(from: UInt64(0), to: 64, by: 8) { code.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
    memory.write(code, at: GuestPhysicalAddress(SystemMachine.code))
    guard (try? machine.engine.setState(state)) != nil else { return 0 }
    machine.engine.setRetiredInstructions(0)
    var digest = Digest()
    for _ in 0..<400 {
      let retired = machine.engine.retiredInstructions ?? 0
      if retired >= 200 { break }
      let limit = pieces == .free ? RunLimit.instructions(200 - retired) : pieces
      guard let exit = try? machine.engine.run(limit) else { return 0 }
      if exit.isInteraction {
        digest.fold(UInt64(exit.description.utf8.count))
        if exit.wantsReply { machine.engine.reply(random.next()) }
        if case .msrWrite = exit { machine.engine.acknowledge() }
      }
      if exit == .halt || exit == .shutdown { break }
    }
    if let end = try? machine.engine.state() { digest.fold(end.digest) }
    digest.fold(machine.engine.retiredInstructions ?? 0)
    return digest.value
  }
}
