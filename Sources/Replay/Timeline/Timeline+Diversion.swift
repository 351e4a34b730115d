internal import GuestMemory
public import VMMCore
internal import X86

// A diversion: the machine leaves the recording, may be changed, and is put back where it was.
extension Timeline {
  public var isDiverted: Bool { diversion != nil }

  public func beginDiversion() throws {
    guard diversion == nil else { throw TimelineError("a diversion is under way already") }
    guard machine.isBetweenInstructions else { throw TimelineError("inside an instruction: step first") }
    endFootprint()
    diversion = try takeCheckpoint()
  }

  /// Throws the diversion away.
  public func endDiversion() throws {
    guard let origin = diversion else { throw TimelineError("no diversion is under way") }
    diversion = nil
    try goBack(to: origin)
  }

  /// Replaces the state; only in a diversion.
  public func setState(_ state: CPUState) throws {
    try checkDiverted()
    try machine.engine.setState(state)
  }

  /// Writes all bytes, or none; only in a diversion.
  public func write(_ bytes: [UInt8], linear address: UInt64) throws {
    try checkDiverted()
    guard LinearMemory(try machine.state().paging, memory).write(bytes, at: address) else {
      throw TimelineError("\(hex(address)) is not mapped to memory")
    }
  }

  /// Writes all bytes, or none; only in a diversion.
  public func write(_ bytes: [UInt8], physical address: GuestPhysicalAddress) throws {
    try checkDiverted()
    guard memory.write(bytes, at: address) else { throw TimelineError("\(address) is not memory") }
  }

  private func checkDiverted() throws {
    guard diversion != nil else { throw TimelineError("this is a replay: only a diversion may be changed") }
  }

  // MARK: running on without the recording

  func divert(_ request: TimelineRequest, _ control: any TimelineControl) throws -> TimelineStop {
    machine.arm(request)
    switch request.mode {
    case .step:
      repeat {
        if let stop = try divertedStep(1, control) { return stop }
      } while machine.isInWatchedRepeat
      return .step
    case .range(let range):
      repeat {
        if let stop = try divertedStep(1, control) { return stop }
      } while range.contains(machine.engine.linearRIP)
      return .step
    case .continue:
      while true {
        if let stop = try divertedStep(100_000, control) { return stop }
      }
    }
  }

  /// Some instructions; what stops the run, if anything. There are no devices: reads give all ones, or 0 where that is
  /// no use, writes go nowhere.
  private func divertedStep(_ count: UInt64, _ control: any TimelineControl) throws -> TimelineStop? {
    let exit = try machine.engine.run(.instructions(count))
    switch exit {
    case .stopped, .kicked: break
    case .portRead, .mmioRead: machine.engine.reply(.max)
    case .msrRead, .timestampRead, .randomRead: machine.engine.reply(0)
    case .msrWrite: machine.engine.acknowledge()
    case .portWrite, .mmioWrite: break
    case .halt, .shutdown, .notEmulated, .failed:
      throw TimelineError("the diversion goes no further (\(exit)): it has no devices, and no interrupts come")
    }
    if let stop = try machine.divertedStop() {
      if stop != .breakpoint { return stop }
      if control.shouldReport(breakpointAt: machine.engine.linearRIP) { return .breakpoint }
    }
    return control.shouldStop() ? .interrupted : nil
  }
}

extension TimelineMachine {
  /// A watchpoint or a breakpoint at the place where a diversion stands now.
  func divertedStop() throws -> TimelineStop? {
    switch try stopHere() {
    case .breakpoint: .breakpoint
    case .watch(let range, let address): .watch(range, address: address)
    default: nil
    }
  }
}
