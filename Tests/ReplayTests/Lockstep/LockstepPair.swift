import GuestMemory
import Loaders
import Support
import Trace
import VMMCore
import X86

@testable import KVM
@testable import Machine
@testable import Replay

/// One of the two machines, with the digest of its memory.
final class LockstepSide {
  let machine: VirtualMachine
  let digest: MemoryDigest
  var engine: any Engine { machine.engine }

  init(_ initial: InitialMachine, _ kind: EngineKind) throws {
    machine = try VirtualMachine(initial, kind: kind, cpuModel: .kvmDefault)
    digest = MemoryDigest(of: machine.memory)
  }

  func memoryNow() throws -> UInt64 {
    try engine.collectDirtyPages()
    digest.update(pages: machine.memory.takeDirtyPages())
    return digest.value
  }

  func answer(_ answer: Answer, to exit: VCPUExit) throws {
    switch answer {
    case .value(let value): engine.reply(value)
    case .fault: engine.replyFault()
    case .none: if case .msrWrite = exit { engine.acknowledge() }
    }
    try engine.followTaskPriority(exit)
  }
}

/// How a guest is run.
struct LockstepSetup {
  var commandLine = ""
  /// It waits for interrupts without an exit: kernel-mode code is only stepped.
  var alwaysSteps = false
  /// Nanoseconds that a step, or an exit, takes for the devices.
  var stepTime: UInt64 = 10_000
  /// When an NMI comes, in exits.
  var nmiAt: Int?
  var input = ""
  /// Seconds that KVM may run without an exit: much more than it takes, on a busy machine, too.
  var patience: UInt64 = 120
}

/// The engines are not alike.
struct LockstepDifference: Error, CustomStringConvertible {
  var description: String
}

/// The same guest on KVM and on the software engine, side by side, each in memory of its own: one board answers both,
/// and interrupts are injected into both at the same places.
final class LockstepPair {
  enum End: Equatable {
    case guest(EndReason)
    /// Halted, and nothing can wake it; a triple fault.
    case halted, shutdown
    /// This host's KVM goes no further; why.
    case kvm(String)
  }

  let kvm: LockstepSide
  let software: LockstepSide
  private let board: Board
  private let watchdog: HostClock
  private var random: SeededRandom
  /// Kernel-mode code is only stepped: for guests that wait for interrupts without an exit.
  private let alwaysSteps: Bool
  /// Nanoseconds that a step, or an exit, takes for the devices.
  private let stepTime: UInt64
  private let patience: UInt64
  /// The time of the devices: it passes with exits and steps.
  private var now: UInt64 = 0
  /// When an NMI comes, in exits.
  private var nmiAt: Int?

  private(set) var exits = 0
  private(set) var steps = 0
  private(set) var states = 0
  private(set) var interrupts = 0

  init(guest: String, setup: LockstepSetup, seed: UInt64) throws {
    let image = GuestImage(role: .kernel, name: guest, bytes: bytesOfFile(TestGuests.path(guest)))
    let initial = try GuestLoader.load(kernel: image, commandLine: setup.commandLine, memorySize: 16 << 20).machine
    kvm = try LockstepSide(initial, .kvm)
    // What is compared is KVM: user mode that it cannot step through is not stepped through.
    (kvm.engine as? PartneredKVMEngine)?.duties.stopsInUserMode = false
    software = try LockstepSide(initial, .software)
    board = try Board(startEpoch: 0, memorySize: initial.memorySize, input: TestInput(Array(setup.input.utf8))) { _ in }
    watchdog = HostClock(stopping: kvm.engine)
    random = SeededRandom(seed: seed)
    alwaysSteps = setup.alwaysSteps
    stepTime = setup.stepTime
    patience = setup.patience
    nmiAt = setup.nmiAt
  }

  /// Runs to the end of the guest, or of what this KVM can do. Throws `LockstepDifference`.
  func run() throws -> End {
    while true {
      if let end = board.end {
        try compareMemory()
        return .guest(end)
      }
      if let end = try turn() {
        if case .kvm = end { return end }
        try compareMemory()
        return end
      }
    }
  }

  /// Steps and deliveries, then on to the next exit.
  private func turn() throws -> End? {
    board.pollInput(now: now)
    board.advance(to: now)
    if try isSettled() {
      let count = alwaysSteps ? 40 : random.below(4) == 0 ? random.below(24) : 0
      switch try step(count) {
      case .arrived: break
      case .exit(let exit): return try handle(exit)
      case .end(let end): return end
      }
      try deliver()
      if alwaysSteps, try kvm.engine.canStep() { return nil }
    }
    _ = try watchdog.limit(until: watchdog.now() + patience * 1_000_000_000)
    let exit = try kvm.engine.run(.free)
    if let end = limit(of: exit) { return end }
    try expect(exit, software.engine.run(.free), "exit")
    return try handle(exit)
  }

  /// What KVM alone comes back with where it cannot go on.
  private func limit(of exit: VCPUExit) -> End? {
    switch exit {
    case .notEmulated, .failed: .kvm("\(exit)")
    case .kicked: .kvm("no exit for \(patience) s")
    default: nil
    }
  }

  private enum StepResult {
    case arrived
    case exit(VCPUExit)
    case end(End)
  }

  private func step(_ count: Int) throws -> StepResult {
    for _ in 0..<count {
      guard try kvm.engine.canStep() else { break }
      let asksCPUID = try isNext([0x0f, 0xa2])
      let setsIFAgain = try isNext([0xfb]) && software.engine.state().rflags & 1 << 9 != 0
      let exit = try kvm.engine.run(.instructions(1))
      if let end = limit(of: exit) { return .end(end) }
      var other = try software.engine.run(.instructions(1))
      // A fault counts one on the software engine, which can stop at the handler.
      if exit == .stopped, other == .stopped, try !standAlike() {
        other = try software.engine.run(.instructions(1))
      }
      try expect(exit, other, "exit of a step")
      if asksCPUID { try acceptForcedFeatures() }
      if setsIFAgain { try acceptShadow() }
      guard exit == .stopped else { return .exit(exit) }
      steps += 1
      now += stepTime
      board.advance(to: now)
      if board.hasInterrupt { break }
    }
    if count > 0 { try compareStates() }
    return .arrived
  }

  /// This instruction is next, in code that is mapped where it is in memory, as it is in all guests that matter here.
  private func isNext(_ code: [UInt8]) throws -> Bool {
    let address = GuestPhysicalAddress(try software.engine.state().rip)
    return software.machine.memory.read(address, count: code.count) == code
  }

  /// STI holds interrupts back for one instruction if IF was clear (Intel SDM, STI); KVM's emulator, which executes
  /// kernel mode on some hosts, does it always.
  private func acceptShadow() throws {
    var state = try software.engine.state()
    guard state.interruptShadow == 0, try kvm.engine.state().interruptShadow == 1 else { return }
    state.interruptShadow = 1
    try software.engine.setState(state)
  }

  /// Some hosts force feature bits on. The guests do not keep them, but a comparison may come before they are gone.
  private func acceptForcedFeatures() throws {
    let forced = try kvm.engine.state()
    var state = try software.engine.state()
    for register in [\CPUState.rbx, \.rcx, \.rdx]
    where forced[keyPath: register] | state[keyPath: register] == forced[keyPath: register] {
      state[keyPath: register] = forced[keyPath: register]
    }
    try software.engine.setState(state)
  }

  /// The same instruction is next: quicker than a comparison of states.
  private func standAlike() throws -> Bool {
    guard let software = software.engine as? SoftwareEngine else { return true }
    return try kvm.engine.state().linearRIP == software.linearRIP
  }

  /// An interaction, to the place right after it.
  private func handle(_ exit: VCPUExit) throws -> End? {
    if exit == .shutdown { return .shutdown }
    exits += 1
    now += stepTime
    board.follow(kvm.engine)
    let answer = board.handle(exit, now: now)
    try kvm.answer(answer, to: exit)
    try software.answer(answer, to: exit)
    if try isSettled() {
      try compareStates()
      if exits % 64 == 0 { try compareMemory() }
    }
    guard exit == .halt else { return nil }
    guard try kvm.engine.isInterruptible() else { return .halted }
    while !board.hasInterrupt {
      board.pollInput(now: now)
      guard let deadline = board.nextDeadline else { return .halted }
      now = max(now + 1, deadline)
      board.advance(to: now)
    }
    try deliver()
    return nil
  }

  private func deliver() throws {
    board.follow(kvm.engine)
    if let at = nmiAt, exits >= at {
      nmiAt = nil
      try kvm.engine.injectNMI()
      try software.engine.injectNMI()
      return
    }
    if try board.hasNMI && !kvm.engine.state().nmiMasked {
      board.acknowledgeNMI()
      try kvm.engine.injectNMI()
      try software.engine.injectNMI()
      return
    }
    let accepts = try kvm.engine.isInterruptible()
    guard try software.engine.isInterruptible() == accepts else {
      throw LockstepDifference(description: "\(place): interruptible on KVM: \(accepts)")
    }
    guard accepts, board.hasInterrupt else { return }
    let vector = board.acknowledgeInterrupt()
    try kvm.engine.inject(interrupt: vector)
    try software.engine.inject(interrupt: vector)
    interrupts += 1
    try compareStates()
  }

  /// Neither is between the units of a batch, or the pieces of an access.
  private func isSettled() throws -> Bool { try kvm.engine.settle() && software.engine.settle() }

  // MARK: comparing

  private var place: String { "after exit \(exits) and step \(steps)" }

  private func expect(_ kvm: VCPUExit, _ software: VCPUExit, _ what: String) throws {
    guard kvm != software else { return }
    throw LockstepDifference(description: "\(place): \(what): KVM \(kvm), software \(software)")
  }

  private func compareStates() throws {
    let differences = try kvm.engine.state().differences(from: software.engine.state())
    states += 1
    guard !differences.isEmpty else { return }
    let text = differences.map { "\($0.name) KVM \(hex($0.actual)), software \(hex($0.expected))" }
    let rip = hex(try software.engine.state().linearRIP)
    throw LockstepDifference(description: "\(place), at \(rip): " + text.joined(separator: "; "))
  }

  private func compareMemory() throws {
    let (first, second) = (try kvm.memoryNow(), try software.memoryNow())
    guard first != second else { return }
    let memory = kvm.machine.memory
    let pages = (0..<memory.pageCount).filter { kvm.digest.ofPage($0) != software.digest.ofPage($0) }
    let text = pages.prefix(4).map { memory.address(ofPage: $0).description }.joined(separator: ", ")
    throw LockstepDifference(description: "\(place): memory differs in the pages at \(text)")
  }
}
