internal import VMMCore

// MARK: - Running the target

extension Session {
  /// Runs the target, or goes where `monitor seek` said, and tells where it stopped, and why it goes no further.
  func resume(
    _ direction: ResumeRequest.Direction, _ mode: ResumeRequest.Mode
  ) throws(PacketError) -> Reply {
    sleeping = nil
    forgetPoints(before: mode)
    tellOfSpaces()
    let reply = try move(direction, mode)
    if case .noFurther(let reason) = lastStop { tell(reason) }
    return reply
  }

  func tell(_ reason: [String]) {
    showOnConsole(Array(("chronovisor: " + reason.joined(separator: "\n") + "\n").utf8))
  }

  private func move(_ direction: ResumeRequest.Direction, _ mode: ResumeRequest.Mode) throws(PacketError) -> Reply {
    if let pending = pendingMove {
      pendingMove = nil
      return try carryOut(pending)
    }
    if interruptIsQueued {
      interruptIsQueued = false
      return stopped(.interrupted)
    }
    var mode = mode
    if let address = skippedBreakpoint, direction == .forward, breakpoints.kind(at: address) != nil { mode = .step }
    skippedBreakpoint = nil
    let request = ResumeRequest(
      direction, mode, breakpoints: breakpoints.addresses, conditions: breakpoints.conditions(layout.stopRegisters),
      watchpoints: breakpoints.watchpoints)
    do {
      let before = target.position
      let report = try target.resume(request, control: RunControl(self, direction))
      return stopped(stepAtTheEdge(report, request, movedFrom: before))
    } catch {
      throw PacketError(error)
    }
  }

  /// A step that goes nowhere because the recording ends here is a step for gdb, and the user is told.
  ///
  /// gdb steps over a breakpoint that stands where the machine does, without it, before it goes on; when it is told
  /// then that there is no more history, it never resumes anything again (`handle_inferior_event` of gdb 13 leaves the
  /// step unfinished). Some of its commands step until the line changes: in the long run they are told.
  private func stepAtTheEdge(_ report: StopReport, _ request: ResumeRequest, movedFrom before: Position) -> StopReport {
    guard report.isEdge, request.mode == .step, target.position == before,
      stepsAtTheEdge < Session.maximumStepsAtTheEdge,
      let here = (try? target.registers())?.linearRIP, breakpoints.kind(at: here) == nil
    else {
      stepsAtTheEdge = 0
      return report
    }
    if stepsAtTheEdge == 0 {
      if case .noFurther(let reason) = report { tell(reason) }
      // As gdb says it.
      showOnConsole(Array("\nNo more reverse-execution history.\n".utf8))
    }
    stepsAtTheEdge += 1
    return .step
  }

  private static let maximumStepsAtTheEdge = 1000

  private func carryOut(_ pending: PendingMove) throws(PacketError) -> Reply {
    switch pending {
    case .go(let destination): try move(to: destination)
    case .stay: stopped(.step)
    }
  }

  /// Moves the target.
  /// - Parameter isFollowed: the client takes console output while it waits.
  func move(to destination: Destination, isFollowed: Bool = true) throws(PacketError) -> Reply {
    sleeping = nil
    do {
      let report = try target.seek(destination, control: RunControl(self, .forward, isFollowed: isFollowed))
      return stopped(report)
    } catch {
      throw PacketError(error)
    }
  }

  private func stopped(_ report: StopReport) -> Reply {
    if !target.isDiverted { history.record(target.position) }
    lastStop = report
    warnAboutArchitecture()
    tellProcess(report)
    return stopReply(report)
  }
}

extension Session {
  /// gdb keeps the registers that it was told about until it reads target.xml again.
  private func warnAboutArchitecture() {
    guard !hasWarnedAboutArchitecture, !followsModes, layout.architecture != .x64,
      (try? target.registers())?.is64Bit == true
    else { return }
    hasWarnedAboutArchitecture = true
    showOnConsole(
      Array(
        """
        chronovisor: the guest runs 64-bit code now, but the debugger was told of \(layout.architecture.rawValue): \
        `unset tdesc filename` makes gdb ask again, and see its registers.

        """.utf8))
  }
}

extension StopReport {
  /// The recording goes no further in this direction.
  fileprivate var isEdge: Bool {
    switch self {
    case .begin, .end, .noFurther: true
    default: false
    }
  }
}

/// The stub's side of a run: interrupts, conditions and dynamic prints.
private final class RunControl: ResumeControl {
  private let session: Session
  private let direction: ResumeRequest.Direction
  private var progress: MoveProgress?

  init(_ session: Session, _ direction: ResumeRequest.Direction, isFollowed: Bool = true) {
    self.session = session
    self.direction = direction
    if isFollowed, session.showsProgress {
      progress = MoveProgress(at: session.clock(), executed: session.target.executedInstructions)
    }
  }

  func shouldStop() -> Bool {
    if let line = progress?.line(at: session.clock(), session) { session.showOnConsole(Array(line.utf8)) }
    return session.pollForInterrupt()
  }

  /// Conditions see registers by the numbers that the client was told. Commands do nothing backwards, and forwards
  /// nothing is remembered.
  func condition(at address: UInt64) -> [UInt8]? {
    guard direction == .backward else { return nil }
    var bytes = Array(session.layout.architecture.rawValue.utf8)
    for breakpoint in session.breakpoints.breakpoints(at: address) {
      bytes += [0, breakpoint.commands.isEmpty ? 0 : 1]
      if let space = breakpoint.space { bytes += Array("in \(space.root):".utf8) }
      for condition in breakpoint.conditions { bytes += Array("\(condition.code.count):".utf8) + condition.code }
    }
    return bytes
  }

  /// A breakpoint with commands carries them out and does not stop; backwards, where nothing is executed, it does
  /// neither.
  func shouldReport(breakpointAt address: UInt64, in view: any MachineView) -> Bool {
    let environment = ViewEnvironment(session, view)
    for breakpoint in session.breakpoints.breakpoints(at: address) {
      guard breakpoint.space.map({ view.isIn($0, for: address) }) ?? true, holds(breakpoint, in: environment) else {
        continue
      }
      if breakpoint.commands.isEmpty { return true }
      if direction == .forward { carryOut(breakpoint.commands, in: environment) }
    }
    return false
  }

  /// A condition without a value counts as true: the user sees the place and can look.
  private func holds(_ breakpoint: BreakpointTable.Breakpoint, in environment: ViewEnvironment) -> Bool {
    guard !breakpoint.conditions.isEmpty else { return true }
    var machine = AgentMachine(in: environment)
    for condition in breakpoint.conditions {
      guard let value = try? machine.evaluate(condition) else { return true }
      if value != 0 { return true }
    }
    return false
  }

  private func carryOut(_ commands: [AgentExpression], in environment: ViewEnvironment) {
    var machine = AgentMachine(in: environment)
    for command in commands {
      do {
        _ = try machine.evaluate(command)
      } catch {
        session.showOnConsole(Array("chronovisor: a dynamic print failed: \(error)\n".utf8))
      }
    }
  }
}

/// What an expression sees: the machine at the instant of the hit.
private final class ViewEnvironment: AgentEnvironment {
  private let session: Session
  private let view: any MachineView
  private lazy var source = (try? view.registers()).map {
    RegisterSource(state: $0, position: session.target.position, instructionCount: session.target.instructionCount)
  }

  init(_ session: Session, _ view: any MachineView) {
    self.session = session
    self.view = view
  }

  func agentRegister(_ number: Int) -> UInt64? {
    guard session.layout.registers.indices.contains(number), session.layout.registers[number].bits <= 64 else {
      return nil
    }
    return source.flatMap { session.layout.registers[number].get($0)?.low }
  }

  func agentMemory(at address: UInt64, count: Int) -> UInt64? {
    let bytes = view.readMemory(at: address, count: count)
    return bytes.count >= count ? bytes.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) } : nil
  }

  func agentPrint(_ format: [UInt8], _ arguments: [UInt64]) throws(AgentError) {
    session.showOnConsole(try AgentFormat.expand(format, arguments, in: self))
  }
}
