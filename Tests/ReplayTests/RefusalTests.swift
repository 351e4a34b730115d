import Machine
import Replay
import Support
import Testing
import Trace
import VMMCore

/// Software recordings that KVM cannot replay are refused in one line that says why and what to do.
@Suite(.enabled(if: kvmAvailable, "needs /dev/kvm")) struct RefusalTests {
  let folder = TemporaryFolder()

  /// A recording of `hello` by the software engine with an event put before its last ones.
  private func trace(with event: TraceEvent) throws -> String {
    let path = folder.file("hello.trace")
    try Recorder.record("hello", to: path, engine: .software)
    let (reader, events) = try Recorder.events(of: path)
    let changed = folder.file("changed.trace")
    let writer = try TraceWriter(path: changed, header: reader.header, machine: try reader.initialMachine())
    for number in events.indices {
      if number == events.count - 4 { try writer.append(event) }
      try writer.append(events[number])
    }
    try writer.close(elapsed: 0)
    return changed
  }

  @Test(arguments: [
    (TraceEvent.delivery(.interrupt(vector: 0x20), at: .instructions(3, iterations: 7)), "inside a REP instruction"),
    (.interaction(.randomRead, .value(1)), "rdrand takes its value from the log"),
    (.interaction(.timestampRead, .value(1)), "rdtsc takes its value from the log"),
  ])
  func isRefusedBeforeItStarts(event: TraceEvent, reason: String) throws {
    let path = try trace(with: event)
    let error = #expect(throws: EngineError.self) { try TraceReplayer(path: path, engine: .kvm) }
    let text = error?.description ?? ""
    #expect(text.contains(reason) && text.hasSuffix("use --engine software") && !text.contains("\n"))
    // Where KVM recorded, nothing is looked for.
    #expect(throws: Never.self) { try TraceReplayer(path: path, engine: .software) }
  }

  /// A recording of `hello` by KVM, as if on a host that has a feature more.
  private func trace(with feature: String) throws -> String {
    let path = folder.file("hello.trace")
    try Recorder.record("hello", to: path)
    let (reader, events) = try Recorder.events(of: path)
    var header = reader.header
    let features = header.cpuModel.features + [try #require(CPUFeature.named(feature))]
    header.cpuModel = CPUModel(name: "another", features: features, brand: "another CPU")
    let changed = folder.file("changed.trace")
    let writer = try TraceWriter(path: changed, header: header, machine: try reader.initialMachine())
    for event in events { try writer.append(event) }
    try writer.close(elapsed: 0)
    return changed
  }

  /// KVM never has RDRAND for its guests, the software engine does.
  @Test func anotherHostsCPUIsRefusedOrLeftToTheSoftwareEngine() throws {
    let path = try trace(with: "rdrand")
    #expect(
      throws: EngineError(
        "the recorded CPU has features that this host's KVM does not have: rdrand; use --engine software")
    ) { try TraceReplayer(path: path, engine: .kvm) }
    let replayer = try TraceReplayer(path: path, engine: nil)
    #expect(replayer.kind == .software)
    #expect(throws: Never.self) { try replayer.replay { _ in } }
    #expect(replayer.notes.contains { $0.hasSuffix("this host's KVM does not have rdrand") })
    #expect(throws: Never.self) { try Timeline(path: path) }
  }

  @Test(arguments: [nil, EngineKind.software, .kvm]) func aCPUThatNoEngineHasIsRefused(engine: EngineKind?) throws {
    let path = try trace(with: "misalignsse")
    let error = #expect(throws: EngineError.self) { try TraceReplayer(path: path, engine: engine) }
    #expect(error?.description.hasSuffix("not have: misalignsse") == true)
    #expect(throws: EngineError.self) { try Timeline(path: path) }
  }

  /// An interrupt right before a system call's interrupt frame is in user mode: where the host cannot step that, the
  /// software engine takes that part.
  @Test func aPlaceInUserModeIsReached() throws {
    let path = folder.file("userspin.trace")
    try Recorder.record("userspin", to: path, commandLine: "3", engine: .software)
    #expect(try TraceReplayer(path: path, engine: .kvm).replay { _ in }.end == .powerOff)
  }

  @Test func aDivergenceOnTheOtherEngineNamesTheCPUModel() throws {
    let path = folder.file("hello.trace")
    try Recorder.record("hello", to: path, engine: .software)
    let (reader, events) = try Recorder.events(of: path)
    let changed = folder.file("changed.trace")
    let writer = try TraceWriter(path: changed, header: reader.header, machine: try reader.initialMachine())
    for event in events {
      if case .digest(var digest) = event {
        digest.cpu ^= 1
        try writer.append(.digest(digest))
      } else {
        try writer.append(event)
      }
    }
    try writer.close(elapsed: 0)
    let divergence = #expect(throws: Divergence.self) {
      try TraceReplayer(path: changed, engine: .kvm).replay { _ in }
    }
    #expect(divergence?.report.last?.contains("use --engine software") == true)
    let own = #expect(throws: Divergence.self) { try TraceReplayer(path: changed, engine: nil).replay { _ in } }
    #expect(own?.advice == nil)
  }
}
