import Foundation
import GDBStub
import VMMCore

/// A tiny deterministic machine with its whole history: the in-memory twin of a replay.
final class FakeTarget: DebugTarget {
  /// What an instruction undoes, and what it did.
  private struct Past {
    var before: FakeCPU
    var accesses: [Access]
  }

  private(set) var cpu = FakeCPU()
  /// Empty for the endless guest, which keeps none.
  private var past: [Past] = []
  private let isEndless: Bool
  /// The whole run, for its end.
  private let totalInstructions: Int
  private(set) var checkpoints: [CheckpointInfo] = []
  private var nextCheckpoint = 1
  private var diversion: (cpu: FakeCPU, past: [Past])?
  /// How often conditions were asked for.
  private(set) var conditionChecks = 0
  /// The registers that a view reports instead of the machine's, for tests of other modes.
  var stateOverride: CPUState?
  /// Makes `resume` fail.
  var failure: TargetError?

  /// Signalled once in each run of the endless guest.
  private let running = DispatchSemaphore(value: 0)

  /// Waits, on another thread, until a run of the endless guest is under way; not for ever.
  func waitUntilItRuns() { _ = running.wait(timeout: .now() + 900) }

  init(code: [UInt8] = FakeProgram.code) {
    isEndless = code == FakeProgram.endless
    cpu.memory.replaceSubrange(Int(FakeProgram.start)..<(Int(FakeProgram.start) + code.count), with: code)
    var count = 0
    if !isEndless {
      var copy = cpu
      while copy.step() != nil { count += 1 }
    }
    totalInstructions = count
  }

  var position: Position { FakeTarget.position(past.count) }
  var instructionCount: UInt64? { hasCounted ? UInt64(past.count) : nil }
  /// Nobody knows how many instructions lie before the place, when it is false.
  var hasCounted = true
  var recording: RecordingInfo {
    RecordingInfo(
      name: "fake.trace", end: FakeTarget.position(totalInstructions), instructions: UInt64(totalInstructions),
      facts: [.init("engine", "fake")])
  }

  /// Seven instructions an event, so that both parts of a position are used.
  static func position(_ count: Int) -> Position {
    Position(ordinal: UInt64(count / 7), instructions: UInt64(count % 7))
  }

  func registers() throws(TargetError) -> CPUState { stateOverride ?? cpu.state }

  func readMemory(at address: UInt64, count: Int) -> [UInt8] {
    guard address < FakeCPU.memorySize else { return [] }
    return Array(cpu.memory[Int(address)...].prefix(count))
  }

  /// The same memory, 0x10000 higher.
  func readPhysicalMemory(at address: GuestPhysicalAddress, count: Int) -> [UInt8] {
    guard address.rawValue >= 0x1_0000 else { return [] }
    return readMemory(at: address.rawValue - 0x1_0000, count: count)
  }

  // MARK: Running

  func resume(_ request: ResumeRequest, control: any ResumeControl) throws(TargetError) -> StopReport {
    if let failure { throw failure }
    if request.direction == .backward, diversion != nil {
      throw TargetError("a diversion goes forward only")
    }
    var sinceLastPoll = 0
    while true {
      sinceLastPoll += 1
      if isEndless, sinceLastPoll == 1000 { running.signal() }
      if sinceLastPoll % 16 == 0, control.shouldStop() { return .interrupted }
      guard let accesses = request.direction == .forward ? stepForward() : stepBackward() else {
        return request.direction == .forward ? .end : .begin
      }
      if let hit = watchpoint(request.watchpoints, hitBy: accesses) { return hit }
      if isDone(request.mode) { return .step }
      if request.breakpoints.contains(cpu.state.rip) {
        conditionChecks += 1
        if control.shouldReport(breakpointAt: cpu.state.rip, in: self) { return .breakpoint }
      }
    }
  }

  private func isDone(_ mode: ResumeRequest.Mode) -> Bool {
    switch mode {
    case .step: true
    case .continue: false
    case .range(let start, let end): cpu.state.rip < start || cpu.state.rip >= end
    }
  }

  private func stepForward() -> [Access]? {
    let before = cpu
    guard let accesses = cpu.step() else { return nil }
    if !isEndless { past.append(Past(before: before, accesses: accesses)) }
    return accesses
  }

  private func stepBackward() -> [Access]? {
    guard let last = past.popLast() else { return nil }
    cpu = last.before
    return last.accesses
  }

  private func watchpoint(_ points: [Watchpoint], hitBy accesses: [Access]) -> StopReport? {
    for access in accesses {
      for point in points where point.isHit(at: access.address, count: access.count, isWrite: access.isWrite) {
        return .watchpoint(point, address: max(point.address, access.address))
      }
    }
    return nil
  }

  func seek(_ destination: Destination, control: any ResumeControl) throws(TargetError) -> StopReport {
    guard diversion == nil else { throw TargetError("end the diversion first") }
    let count = try instruction(destination)
    while past.count > count { _ = stepBackward() }
    while past.count < count { _ = stepForward() }
    return .step
  }

  private func instruction(_ destination: Destination) throws(TargetError) -> Int {
    let count: UInt64
    switch destination {
    case .begin: count = 0
    case .end: count = UInt64(totalInstructions)
    case .instruction(let number): count = number
    case .share(let share): count = Destination.instruction(at: share, of: UInt64(totalInstructions))
    case .position(let position):
      let (events, overflow) = position.ordinal.multipliedReportingOverflow(by: 7)
      guard !overflow, position.instructions < 7, position.iterations == 0 else {
        throw TargetError("there is no position \(position)")
      }
      count = events.addingReportingOverflow(position.instructions).partialValue
    case .checkpoint(let number):
      guard let checkpoint = checkpoints.first(where: { $0.number == number }) else {
        throw TargetError("there is no checkpoint \(number)")
      }
      count = checkpoint.position.ordinal * 7 + checkpoint.position.instructions
    }
    guard count <= UInt64(totalInstructions) else { throw TargetError("that is beyond the recording's end") }
    return Int(count)
  }

  // MARK: Checkpoints and diversions

  func createCheckpoint(note: String) throws(TargetError) -> CheckpointInfo {
    let checkpoint = CheckpointInfo(number: nextCheckpoint, position: position, address: cpu.state.rip, note: note)
    nextCheckpoint += 1
    checkpoints.append(checkpoint)
    return checkpoint
  }

  func deleteCheckpoint(_ number: Int) throws(TargetError) {
    guard checkpoints.contains(where: { $0.number == number }) else {
      throw TargetError("there is no checkpoint \(number)")
    }
    checkpoints.removeAll { $0.number == number }
  }

  var isDiverted: Bool { diversion != nil }

  func beginDiversion() throws(TargetError) {
    guard diversion == nil else { throw TargetError("a diversion is under way already") }
    diversion = (cpu, past)
  }

  func endDiversion() throws(TargetError) {
    guard let saved = diversion else { throw TargetError("no diversion is under way") }
    (cpu, past) = saved
    diversion = nil
  }

  func setRegisters(_ state: CPUState) throws(TargetError) {
    guard diversion != nil else { throw .readOnly }
    cpu.state = state
  }

  func writeMemory(_ bytes: [UInt8], at address: UInt64) throws(TargetError) {
    guard diversion != nil else { throw .readOnly }
    guard address < FakeCPU.memorySize, UInt64(bytes.count) <= FakeCPU.memorySize - address else {
      throw TargetError("there is no memory at \(hex(address))")
    }
    cpu.memory.replaceSubrange(Int(address)..<(Int(address) + bytes.count), with: bytes)
  }

  func writePhysicalMemory(_ bytes: [UInt8], at address: GuestPhysicalAddress) throws(TargetError) {
    guard address.rawValue >= 0x1_0000 else { throw TargetError("there is no memory at \(address)") }
    try writeMemory(bytes, at: address.rawValue - 0x1_0000)
  }

  var monitorCommands: [MonitorCommandInfo] {
    [MonitorCommandInfo(name: "echo", usage: "TEXT", summary: "says it again")]
  }

  func monitor(_ command: String, arguments: [String]) throws(TargetError) -> String {
    guard arguments != ["fail"] else { throw TargetError("as you wish") }
    return arguments.joined(separator: " ")
  }
}
