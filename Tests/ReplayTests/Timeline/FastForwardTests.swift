import Machine
import Support
import Testing
import Trace
import VMMCore

@testable import Replay

/// A timeline that KVM has brought ahead shows the same states at the same places as one that the software engine has
/// taken all the way.
@Suite(.enabled(if: kvmAvailable, "no /dev/kvm"))
struct FastForwardTests {
  let fixture = TimelineFixture()

  /// KVM, or both engines as one, is tried at once, and leaves a checkpoint wherever it can.
  private func fast(_ path: String, _ kind: EngineKind = .kvm) throws -> Timeline {
    var options = Timeline.Options()
    options.fastForward = .with(kind)
    options.slowStart = 0
    options.fastInterval = 0
    return try Timeline(path: path, options: options)
  }

  private func slow(_ path: String) throws -> Timeline {
    var options = Timeline.Options()
    options.fastForward = .never
    return try Timeline(path: path, options: options)
  }

  private func record(_ guest: String) throws -> String {
    try fixture.record(guest, commandLine: ["faults": "40", "usercompute": "20000"][guest] ?? "3", engine: .kvm)
  }

  static let guests = [
    "hello", "race", "tasks", "strio", "faults", "mmio", "ticker", "portio", "apic", "nmi", "sse", "smc", "usercompute",
  ]

  static let kinds = [EngineKind.kvm, .hybrid].filter { $0.isOffered }

  @Test(arguments: guests, kinds) func theEndAndTheWayBack(guest: String, kind: EngineKind) throws {
    let path = try record(guest)
    let (fast, slow) = (try fast(path, kind), try slow(path))
    let end = try slow.finish()
    #expect(try fast.finish().state == end.state)
    #expect(fast.machine.epochs.all.count > 1, "it did not come ahead")
    for _ in 0..<400 {
      let stop = try slow.stepBackward()
      #expect(try fast.stepBackward() == stop)
      let (there, here) = (try slow.snapshot(), try fast.snapshot())
      #expect(here.state == there.state)
      guard here.state == there.state, stop == .step else { break }
    }
    #expect(try fast.finish().state == end.state)
  }

  @Test(arguments: guests) func placesInAnyOrder(guest: String) throws {
    let path = try record(guest)
    let (fast, slow) = (try fast(path), try slow(path))
    _ = try slow.finish()
    let total = try #require(slow.totalInstructions)
    var random = SeededRandom(seed: LongTests.seed)
    for _ in 0..<40 {
      _ = try slow.seek(.instruction(random.next() % total))
      let there = try slow.snapshot()
      #expect(try fast.seek(.position(there.position)) == .step)
      #expect(try fast.snapshot().state == there.state, "seed \(LongTests.seed), position \(there.position)")
    }
    #expect(try fast.countInstructions(control: Permissive()) == .step)
    #expect(fast.totalInstructions == total)
    for _ in 0..<10 {
      let place = TimelinePlace.instruction(random.next() % total)
      _ = try (slow.seek(place), fast.seek(place))
      #expect(try fast.snapshot() == slow.snapshot())
    }
  }

  /// The software engine has executed, and decoded, code that changes on the way.
  @Test(arguments: kinds) func codeThatChangesOnTheWay(kind: EngineKind) throws {
    let path = try record("smc")
    let (fast, slow) = (try fast(path, kind), try slow(path))
    for event in stride(from: 100, to: 500, by: 50) {
      let place = TimelinePlace.position(Position(ordinal: UInt64(event), instructions: 6))
      _ = try (slow.seek(place), fast.seek(place))
      #expect(try fast.snapshot().state == slow.snapshot().state)
    }
    #expect(fast.machine.epochs.all.count > 8)
  }

  /// A place that only its count names: the way there is run through as far as nobody has counted.
  @Test func anInstructionBehindUncountedOnes() throws {
    let path = try record("tasks")
    let (fast, slow) = (try fast(path), try slow(path))
    _ = try slow.finish()
    let total = try #require(slow.totalInstructions)
    _ = try fast.seek(.end)
    #expect(fast.instructions == nil)
    let place = TimelinePlace.instruction(total / 2)
    _ = try (slow.seek(place), fast.seek(place))
    #expect(try fast.snapshot() == slow.snapshot())
    #expect(throws: TimelineError.self) { try fast.seek(.instruction(total + 1)) }
    #expect(try fast.snapshot() == slow.snapshot())
    #expect(fast.totalInstructions == total)
  }

  @Test(arguments: ["race", "tasks", "faults"]) func backwardRunsStopAtTheSamePlaces(guest: String) throws {
    let path = try record(guest)
    let (fast, slow) = (try fast(path), try slow(path))
    _ = try slow.finish()
    let total = try #require(slow.totalInstructions)
    _ = try slow.seek(.instruction(total / 3))
    let (address, stack) = (try slow.state().linearRIP, try slow.state().rsp)
    let watch = WatchRange(.write, first: stack &- 16, last: stack &- 1)
    for request in [
      TimelineRequest(.continue, breakpoints: [address]), TimelineRequest(.continue, watches: [watch]),
    ] {
      _ = try (slow.seek(.end), fast.seek(.end))
      for _ in 0..<20 {
        let stop = try slow.backward(request, control: Permissive())
        #expect(try fast.backward(request, control: Permissive()) == stop)
        #expect(try fast.snapshot().state == slow.snapshot().state)
        if stop == .begin { break }
      }
    }
  }

  /// What KVM came to is held against what the software engine comes to.
  @Test func anotherStateThanKVMsIsADivergence() throws {
    let fast = try fast(try record("tasks"))
    _ = try fast.seek(.end)
    let epoch = try #require(fast.machine.epochs.all.last)
    #expect(try fast.count(before: epoch, Permissive()))
    let untrue = try Timeline(path: fast.reader.path, options: fast.options)
    _ = try untrue.seek(.end)
    var digest = try #require(untrue.machine.epochs.all.last?.digest)
    digest.cpu ^= 1
    untrue.machine.epochs.replaceLastDigest(digest)
    let last = try #require(untrue.machine.epochs.all.last)
    #expect(throws: Divergence.self) { try untrue.count(before: last, Permissive()) }
  }

  @Test func interruptedOnTheWay() throws {
    let path = try record("ticker")
    let (fast, slow) = (try fast(path), try slow(path))
    let end = try slow.finish()
    let control = Permissive()
    control.stopAfter = 0
    #expect(try fast.seek(.end, control: control) == .interrupted)
    let place = try fast.snapshot()
    _ = try slow.seek(.position(place.position))
    #expect(try slow.snapshot().state == place.state)
    #expect(try fast.finish().state == end.state)
  }

  /// A recording of the software engine is its own to replay.
  @Test func notWhereKVMDidNotRecord() throws {
    let fast = try fast(try fixture.record("tasks", commandLine: "2"))
    _ = try fast.finish()
    #expect(fast.machine.epochs.all.count == 1)
  }
}

extension Timeline.Snapshot {
  /// All but the count, which not every timeline knows.
  fileprivate var state: Timeline.Snapshot {
    var state = self
    state.instructions = nil
    return state
  }
}

extension Epochs {
  fileprivate mutating func replaceLastDigest(_ digest: StateDigest) {
    var all = Epochs()
    for epoch in self.all.dropFirst().dropLast() { _ = all.begin(events: epoch.events, digest: epoch.digest!) }
    _ = all.begin(events: self.all[self.all.count - 1].events, digest: digest)
    self = all
  }
}
