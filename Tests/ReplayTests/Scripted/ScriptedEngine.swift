import VMMCore

/// A vCPU that plays a script, with the abilities of any host: policies of sessions are tried out on it without KVM,
/// and for hosts that nobody here has. RIP is the number of a step; RAX counts the steps, so that no state comes twice.
final class ScriptedEngine: Engine {
  enum Step {
    case plain
    /// Interrupts on, behind a shadow of one step.
    case sti
    case cli
    case interact(VCPUExit)
    case jump(Int)
    /// One more interrupt handled.
    case count
    /// Powers off when so many interrupts were handled.
    case powerOff(after: UInt64)
    case interruptReturn
  }

  /// What the host can do.
  struct Abilities {
    /// It counts instructions.
    var counts = false
    /// It stops where an interrupt is accepted.
    var stopsWhenInterruptible = true
    /// It stops at addresses.
    var stopsAtAddresses = true
    /// From this step on it does not get further, but can be kicked.
    var hangsAt: UInt64?
    /// There it comes to the same state again and again.
    var repeats = false
    /// So many kicks come before each instruction.
    var kicksBetween = 0
    /// So many instructions it goes on after a kick, to a place that it can name.
    var carriesOn = 0
  }

  let name: String
  let clock: ScriptedClock
  private let program: [Step]
  private let handler: Int
  private let abilities: Abilities
  private var current = CPUState()
  private var asked: VCPUExit?
  private var retired: UInt64 = 0
  private var kicksLeft = 0
  private var isKicked = false

  var stopsAtLowerTaskPriority = false
  var stopsWhenInterruptible = false
  let taskPriority: UInt8 = 0
  let apicBase = APICBase.standard
  private(set) var instructionsOfLastRun: UInt64?

  init(_ program: [Step], handler: Int, _ abilities: Abilities, clock: ScriptedClock) {
    self.program = program
    self.handler = handler
    self.abilities = abilities
    self.clock = clock
    name = abilities.counts ? "software" : "kvm"
    kicksLeft = abilities.kicksBetween
    current.rip = 0
    current.cs.base = 0
    current.rflags = 2
    clock.counts = abilities.counts
  }

  var retiredInstructions: UInt64? { abilities.counts ? retired : nil }

  func run(_ limit: RunLimit) -> VCPUExit {
    let start = retired
    var hasMoved = false
    while true {
      if case .instructions(let count) = limit, retired - start >= count { return .stopped }
      if isKicked || !abilities.counts && clock.isDue {
        isKicked = false
        return .kicked
      }
      if hasMoved, case .until(let rip, _) = limit, abilities.stopsAtAddresses, rip == current.rip { return .stopped }
      if hasMoved, stopsWhenInterruptible, abilities.stopsWhenInterruptible, isInterruptible() { return .kicked }
      if abilities.hangsAt == current.rip {
        guard abilities.counts else {
          clock.pass()
          continue
        }
        // A loop without an end, in no time.
        if !abilities.repeats { current.rdx += 1 }
        switch limit {
        case .free: return .failed("nobody bounds this run")
        case .instructions(let count), .until(_, let count): retired += count
        }
        return .stopped
      }
      if let exit = step() { return exit }
      hasMoved = true
    }
  }

  private func step() -> VCPUExit? {
    if let event = current.pendingEvent {
      precondition(event.kind == .externalInterrupt)
      current.pendingEvent = nil
      current.rbx = current.rip
      current.rip = UInt64(handler)
      current.rflags &= ~0x200
    }
    current.interruptShadow = 0
    switch program[Int(current.rip)] {
    case .plain: complete()
    case .sti:
      if current.rflags & 0x200 == 0 { current.interruptShadow = 1 }
      current.rflags |= 0x200
      complete()
    case .cli:
      current.rflags &= ~0x200
      complete()
    case .jump(let target):
      complete()
      current.rip = UInt64(target)
    case .count:
      current.rcx += 1
      complete()
    case .interruptReturn:
      complete()
      current.rip = current.rbx
      current.rflags |= 0x200
    case .powerOff(let count):
      guard current.rcx >= count else {
        complete()
        return nil
      }
      return interact(.portWrite(port: 0x604, size: 2, value: 0x2000))
    case .interact(let exit): return interact(exit)
    }
    return nil
  }

  private func interact(_ exit: VCPUExit) -> VCPUExit {
    if exit.wantsReply { asked = exit } else { complete() }
    return exit
  }

  private func complete() {
    current.rip += 1
    current.rax += 1
    retired += 1
    clock.time += ScriptedClock.step + clock.jump
    clock.workDone += ScriptedClock.step
  }

  func reply(_ value: UInt64) {
    asked = nil
    complete()
  }
  func replyFault() { reply(0) }
  func acknowledge() { reply(0) }
  func settle() -> Bool { asked == nil }

  func state() -> CPUState { current }
  func setState(_ state: CPUState) { current = state }
  func isInterruptible() -> Bool {
    asked == nil && current.rflags & 0x200 != 0 && current.interruptShadow == 0 && current.pendingEvent == nil
  }
  func inject(interrupt vector: UInt8) {
    precondition(isInterruptible())
    current.pendingEvent = PendingEvent(kind: .externalInterrupt, vector: vector)
  }
  func injectNMI() {}
  func collectDirtyPages() {}
  func setTaskPriority(_ priority: UInt8) {}
  func kick() { isKicked = true }

  /// Kicks that come while a REP instruction is carried to its end.
  func finishInstruction() -> VCPUExit? {
    if kicksLeft > 0 {
      kicksLeft -= 1
      return .kicked
    }
    kicksLeft = abilities.kicksBetween
    for _ in 0..<abilities.carriesOn {
      let isClosed = !isInterruptible()
      if let exit = step() { return exit }
      if isClosed && isInterruptible() { return nil }
    }
    return nil
  }
}

/// The time of a script: every step takes some, and so does waiting.
final class ScriptedClock: MachineClock {
  static let step: UInt64 = 1000
  let name = "host"
  var time: UInt64 = 0
  var workDone: UInt64 = 0
  var counts = false
  /// What passes of the day at each step while the process is stopped.
  var jump: UInt64 = 0
  /// What passes while an engine hangs, until its alarm: of the day, and of work.
  var hangingTime: UInt64 = 0
  var hangingWork: UInt64 = 0
  private var alarm = UInt64.max

  var isDue: Bool { time >= alarm }

  func now() -> UInt64 { time }
  func work() -> UInt64 { workDone }
  func idle(until deadline: UInt64?) { time = max(time, deadline ?? time) }
  func limit(until deadline: UInt64) -> RunLimit {
    alarm = deadline
    guard counts else { return .free }
    return .instructions(deadline > time ? max(1, (deadline - time) / ScriptedClock.step) : 1)
  }

  /// The engine hangs until the alarm.
  func pass() {
    time = max(alarm, time + hangingTime)
    workDone += hangingWork
  }
}
