internal import Glibc
internal import GuestMemory
internal import Support
import Testing
internal import VMMCore

@testable internal import X86

/// Random bytes, and random instructions, as code: the engine must survive them, and take the same way in one piece and
/// in many. CHRONOVISOR_WILD_BLOBS and CHRONOVISOR_FUZZ_SEED set how many and which (Tools/fuzz --wild).
@Suite struct WildCodeTests {
  private static func number(_ name: String) -> UInt64? {
    unsafe getenv(name).flatMap { unsafe UInt64(String(cString: $0)) }
  }

  private static let count = number("CHRONOVISOR_WILD_BLOBS") ?? 800
  private static let seed = number("CHRONOVISOR_FUZZ_SEED") ?? 0

  /// How runs ended.
  private struct Ends {
    var halts = 0
    var shutdowns = 0
    var limits = 0
    var interactions = 0
    var instructions: UInt64 = 0
    /// Instructions without an end.
    var endless = 0
  }

  @Test(arguments: WildMode.allCases)
  func survivesAnything(mode: WildMode) throws {
    let machine = try SystemMachine([])
    // All that runs in blocks is translated.
    machine.engine.cpu[SystemSlot.translatesAfter] = 1
    var start = try machine.engine.state()
    mode.adjust(&start)
    var ends = Ends()
    let endless = EndlessCode(of: machine.engine)
    defer { endless.end() }
    var runs: UInt64 = 0
    let blobs = Self.count / mode.share
    let only = Self.number("CHRONOVISOR_FUZZ_CASE")
    for blob in only.map({ $0..<$0 + 1 }) ?? 0..<blobs {
      var random = SeededRandom(seed: Self.seed &+ blob << 3 ^ UInt64(mode.hashIndex) << 56)
      let state = randomized(start, &random)
      var maker = BlobMaker(random: random)
      let code = maker.blob()
      runs += 2
      endless.begin(runs)
      let first = run(machine, state, code, pieces: .free, &ends)
      guard blob % 8 == 0, first != nil else { continue }
      var others = Ends()
      endless.begin(runs + 1)
      let second = run(machine, state, code, pieces: .instructions(1), &others)
      if second != nil && second != first {
        Issue.record("\(mode) blob \(blob): \(firstDifference(machine, state, code))")
      }
    }
    if Self.number("CHRONOVISOR_WILD_BLOBS") != nil {
      print(
        "\(mode): \(blobs) blobs, \(ends.instructions) instructions; \(ends.limits) ran on to the limit, "
          + "\(ends.halts) halted, \(ends.shutdowns) shut down, \(ends.interactions) exits on the way, "
          + "\(ends.endless) in one instruction without end")
    }
  }

  /// After how many instructions a run in one piece and one in many part, and in what.
  private func firstDifference(_ machine: SystemMachine, _ state: CPUState, _ code: [UInt8]) -> String {
    var ends = Ends()
    for count in UInt64(1)...200 {
      let whole = run(machine, state, code, pieces: .free, &ends, count)
      let there = try? machine.engine.state()
      if whole == run(machine, state, code, pieces: .instructions(1), &ends, count) { continue }
      guard let here = try? machine.engine.state(), let there else { break }
      let fields = there.differences(from: here)
      _ = run(machine, state, code, pieces: .instructions(1), &ends, count - 1)
      let rip = (try? machine.engine.state())?.rip ?? 0
      let bytes = machine.memory.read(GuestPhysicalAddress(rip & 0x3f_ffff), count: 15) ?? []
      return
        "code \(code.map { hex($0) }), after \(count) instructions, the last at \(hex(rip)) \(bytes.map { hex($0) }): "
        + fields.map { "\($0.name) \(hex($0.actual)), in pieces \(hex($0.expected))" }.joined(separator: ", ")
    }
    return "not found again"
  }

  private func randomized(_ start: CPUState, _ random: inout SeededRandom) -> CPUState {
    var state = start
    for number in 0..<16 {
      let word = random.next()
      state.gpr[number] = word & 3 == 0 ? word : 0x8000 + word >> 50
    }
    if random.chance(90) { state.gpr[4] = SystemMachine.stack }
    state.rflags = random.next() & 0x0cd5 | 2
    if random.chance(5) { state.rflags |= random.next() & 0x24_7fd5 }
    if random.chance(5) { state.cr4 |= random.next() & 0x31_06ff & ~(1 << 5) }
    if random.chance(5) {
      state.dr7 = random.next() & 0xffff_03ff | 0x400
      (state.dr0, state.dr1) = (SystemMachine.code + UInt64(random.below(64)), SystemMachine.stack - 8)
    }
    return state
  }

  /// Runs a blob for at most 200 instructions; the digest of where it ends, `nil` where one of them does not.
  private func run(
    _ machine: SystemMachine, _ state: CPUState, _ code: [UInt8], pieces: RunLimit, _ ends: inout Ends,
    _ most: UInt64 = 200
  ) -> UInt64? {
    var replies = SeededRandom(seed: 3)
    let memory = machine.memory
    // What the last blob left is cleaned up: tables, stacks and code.
    for page in memory.takeDirtyPages() {
      unsafe memset(memory.host(ofPage: page), 0, pageSize)
    }
    SystemMachine.fill(memory)
    memory.write(code, at: GuestPhysicalAddress(SystemMachine.code))
    guard (try? machine.engine.setState(state)) != nil else { return 0 }
    machine.engine.setRetiredInstructions(0)
    var digest = Digest()
    var last: VCPUExit?
    var interactions = 0
    while interactions < 200 {
      let retired = machine.engine.retiredInstructions ?? 0
      if retired >= most { break }
      let limit = pieces == .free ? RunLimit.instructions(most - retired) : pieces
      guard let exit = try? machine.engine.run(limit) else { return 0 }
      if exit == .kicked {
        ends.endless += 1
        return nil
      }
      last = exit
      if exit.isInteraction {
        interactions += 1
        digest.fold(UInt64(exit.description.utf8.count))
        if exit.wantsReply { machine.engine.reply(replies.next()) }
        if case .msrWrite = exit { machine.engine.acknowledge() }
      }
      if exit == .halt || exit == .shutdown { break }
    }
    switch last {
    case .halt: ends.halts += 1
    case .shutdown: ends.shutdowns += 1
    default: ends.limits += 1
    }
    ends.interactions += interactions
    ends.instructions += machine.engine.retiredInstructions ?? 0
    if let end = try? machine.engine.state() { digest.fold(end.digest) }
    digest.fold(machine.engine.retiredInstructions ?? 0)
    return digest.value
  }
}

extension WildMode {
  fileprivate var hashIndex: Int { WildMode.allCases.firstIndex(of: self) ?? 0 }
}
