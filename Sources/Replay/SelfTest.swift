internal import GuestMemory
internal import KVM
public import Machine
internal import Trace
internal import VMMCore

/// The built-in guests that `doctor --self-test` records and replays: small enough to need no assembler, and each about
/// one way in which time or input enters a run.
public enum SelfTestGuest: String, CaseIterable, Sendable {
  /// Port reads and writes only.
  case ports
  /// Timer interrupts that wake HLT.
  case timer
  /// Timer interrupts in kernel code that never exits: delivered by a kick, found again by fingerprint.
  case spin
  /// REP INS, and stores to many pages.
  case strings

  private typealias M = MachineCode

  /// How many turns or interrupts the guest wants.
  private static let turns: UInt64 = 20

  /// The guest before its first instruction.
  func machine() throws -> InitialMachine {
    var guest = try ProbeGuest(kernel: code)
    for vector in UInt8(0)..<32 { guest.setHandler(vector, SelfTestGuest.exit(2)) }
    guest.setHandler(0x20, SelfTestGuest.onTimer)
    guest.state.rsp = ProbeGuest.kernelStack
    let pages = guest.memory.takeDirtyPages()
    let placements = pages.compactMap { page -> Placement? in
      let address = guest.memory.address(ofPage: page)
      return guest.memory.read(address, count: pageSize).map { Placement(address: address, source: .bytes($0)) }
    }
    return InitialMachine(memorySize: guest.memory.size, images: [], placements: placements, state: guest.state)
  }

  private var code: [UInt8] {
    switch self {
    case .ports:
      let turn = M.input(0x61) + M.out(0x80)
      return M.mov(.rcx, 2000) + turn + M.loop(over: turn.count) + SelfTestGuest.exit(0)
    case .timer:
      let wait = M.sti + M.hlt + M.cli
      return SelfTestGuest.startTimer + wait + SelfTestGuest.untilEnough(wait) + SelfTestGuest.exit(0)
    case .spin:
      let wait = M.sti + M.inc(.rax) + M.nop
      return SelfTestGuest.startTimer + wait + SelfTestGuest.untilEnough(wait) + SelfTestGuest.exit(0)
    case .strings:
      let input = M.mov(.rdi, ProbeGuest.data) + M.mov(.rcx, 3000) + M.mov(.rdx, 0x61) + M.repInsB
      let store = M.mov(.rdi, ProbeGuest.data + 0x1000) + M.mov(.rcx, 0x40000) + M.repStosB
      return input + store + SelfTestGuest.exit(0)
    }
  }

  /// Powers off (code 0) or ends through the debug-exit port.
  private static func exit(_ code: UInt64) -> [UInt8] {
    if code != 0 { return M.mov(.rax, code) + M.out32(0xf4) + M.hlt }
    // MOV DX, AX to the PM1a control register: SLP_EN, S5.
    return M.mov(.rdx, 0x604) + M.mov(.rax, 0x2000) + [0x66, 0xef] + M.hlt
  }

  /// The interrupt controllers at vectors 0x20 and 0x28 with only the timer let through, and the timer at some 1 kHz.
  private static var startTimer: [UInt8] {
    let writes: [(UInt8, UInt64)] = [
      (0x20, 0x11), (0xa0, 0x11), (0x21, 0x20), (0xa1, 0x28), (0x21, 4), (0xa1, 2), (0x21, 1), (0xa1, 1),
      (0x21, 0xfe), (0xa1, 0xff), (0x43, 0x34), (0x40, 0xa9), (0x40, 0x04),
    ]
    return writes.flatMap { M.mov(.rax, $0.1) + M.out($0.0) } + M.mov(.rbx, 0)
  }

  /// Counts in RBX and ends the interrupt.
  private static var onTimer: [UInt8] {
    M.push(.rax) + M.inc(.rbx) + M.mov(.rax, 0x20) + M.out(0x20) + M.pop(.rax) + M.iretq
  }

  /// CMP RBX, turns; JB back over the loop's body.
  private static func untilEnough(_ body: [UInt8]) -> [UInt8] {
    let compare: [UInt8] = [0x48, 0x83, 0xfb, UInt8(turns)]
    return compare + [0x72, UInt8(bitPattern: -Int8(body.count + compare.count + 2))]
  }
}

/// What became of one built-in guest.
public struct SelfTestResult: Sendable {
  public var guest: SelfTestGuest
  public var engine: EngineKind
  /// The replays were exact.
  public var isExact: Bool
  /// What happened, in one line.
  public var summary: String
}

public enum SelfTest {
  /// Records every built-in guest on `engine` to a file in `folder`, and replays it `replays` times.
  public static func run(engine: EngineKind, folder: String, replays: Int) -> [SelfTestResult] {
    SelfTestGuest.allCases.map { guest in
      do {
        let outcome = try record(guest, engine: engine, path: folder + "/\(engine.rawValue)-\(guest.rawValue).trace")
        let replayer = try TraceReplayer(
          path: folder + "/\(engine.rawValue)-\(guest.rawValue).trace", engine: engine)
        var finals: [StateDigest] = []
        for _ in 0..<replays { finals.append(try replayer.replay { _ in }.final) }
        let isExact = outcome.end == .powerOff && finals.allSatisfy { $0 == finals[0] }
        return SelfTestResult(
          guest: guest, engine: engine, isExact: isExact,
          summary: "\(outcome.events) events, \(outcome.deliveries) interrupts, \(outcome.end), \(replays) replays")
      } catch let divergence as Divergence {
        return SelfTestResult(
          guest: guest, engine: engine, isExact: false, summary: divergence.report.joined(separator: "\n    "))
      } catch {
        return SelfTestResult(guest: guest, engine: engine, isExact: false, summary: "\(error)")
      }
    }
  }

  private static func record(_ guest: SelfTestGuest, engine: EngineKind, path: String) throws -> RunOutcome {
    let initial = try guest.machine()
    let host = HostDescription.current()
    let header = TraceHeader(
      producer: "chronovisor self-test", engine: engine.rawValue, cpuModel: engine.defaultCPUModel,
      clock: engine.defaultClock, hostCPUID: host.cpuidDigest, host: host.text,
      guestKind: "built-in \(guest.rawValue)")
    let machine = try VirtualMachine(initial, kind: engine, cpuModel: engine.defaultCPUModel)
    let writer = try TraceWriter(path: path, header: header, machine: initial)
    let clock = machine.makeClock(engine.defaultClock)
    let board = try Board(startEpoch: 0, memorySize: initial.memorySize, input: NoInput()) { _ in }
    var options = RecordOptions()
    options.timeout = 20_000_000_000
    let session = RecordSession(
      engine: machine.engine, board: board, clock: clock, memory: machine.memory, writer: writer, options: options,
      endRequested: { nil })
    return try session.run()
  }
}
