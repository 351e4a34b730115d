import Replay
import Support
import Testing
import Trace
import VMMCore

/// A replay that is fed something else than what was recorded says so, at the right place.
@Suite(.enabled(if: kvmAvailable, "needs /dev/kvm")) struct DivergenceTests {
  let folder = TemporaryFolder()

  /// Records a guest, rewrites its events, and replays what came out.
  private func replay(
    _ guest: String, commandLine: String = "", changing change: (inout [TraceEvent]) -> Void
  ) throws -> Divergence? {
    let original = folder.file("original.trace")
    try Recorder.record(guest, to: original, commandLine: commandLine)
    var (reader, events) = try Recorder.events(of: original)
    change(&events)
    let changed = folder.file("changed.trace")
    let writer = try TraceWriter(path: changed, header: reader.header, machine: try reader.initialMachine())
    for event in events { try writer.append(event) }
    try writer.close(elapsed: 0)
    do {
      _ = try TraceReplayer(path: changed, engine: nil).replay { _ in }
      return nil
    } catch let divergence as Divergence {
      return divergence
    }
  }

  /// The index of the last event that a test accepts.
  private func last(_ events: [TraceEvent], where accepts: (TraceEvent) -> Bool) -> Int {
    events.lastIndex(where: accepts) ?? 0
  }

  @Test func anUnchangedTraceIsExact() throws {
    #expect(try replay("hello", changing: { _ in }) == nil)
  }

  @Test func aWrongOutputIsFoundAtOnce() throws {
    var ordinal: UInt64 = 0
    let divergence = try replay("hello") { events in
      let index = last(events) {
        if case .interaction(.portWrite(port: 0x3f8, _, _), _) = $0 { true } else { false }
      }
      events[index] = .interaction(.portWrite(port: 0x3f8, size: 1, value: 0x7e), .none)
      ordinal = UInt64(events[..<index].filter { if case .interaction = $0 { true } else { false } }.count)
    }
    #expect(divergence?.position.ordinal == ordinal)
    guard case .wrongInteraction(let expected, _) = divergence?.kind else {
      Issue.record("\(String(describing: divergence))")
      return
    }
    #expect(expected == .portWrite(port: 0x3f8, size: 1, value: 0x7e))
    #expect(divergence?.before.isEmpty == false)
  }

  @Test func aWrongInputIsFoundByTheNextDigest() throws {
    let divergence = try replay("portio", commandLine: "50") { events in
      let index = last(events) {
        if case .interaction(.portRead(port: 0x80, _), _) = $0 { true } else { false }
      }
      events[index] = .interaction(.portRead(port: 0x80, size: 1), .value(0x11))
    }
    guard case .wrongState = divergence?.kind else {
      Issue.record("\(String(describing: divergence))")
      return
    }
  }

  @Test func aMissingEventIsFound() throws {
    let divergence = try replay("hello") { events in
      events.remove(at: last(events) { if case .interaction(.portWrite, _) = $0 { true } else { false } })
    }
    #expect(divergence != nil)
  }

  @Test func anInterruptAtAnotherPlaceIsFound() throws {
    let divergence = try replay("ticker", commandLine: "5") { events in
      let index = last(events) { if case .delivery = $0 { true } else { false } }
      guard case .delivery(let delivery, _) = events[index] else { return }
      events[index] = .delivery(delivery, at: .instructions(3, iterations: 0))
    }
    #expect(divergence != nil)
  }

  @Test func aWrongMemoryDigestNamesThePages() throws {
    let divergence = try replay("hello") { events in
      let at = last(events) { if case .detail = $0 { true } else { false } }
      let digestAt = last(events) { if case .digest = $0 { true } else { false } }
      guard case .detail(var detail) = events[at], case .digest(var digest) = events[digestAt] else { return }
      detail.words[0] ^= 0xff
      digest.cpu ^= 1
      events[at] = .detail(detail)
      events[digestAt] = .digest(digest)
    }
    #expect(divergence?.registers.map(\.name) == ["rax"])
  }
}
