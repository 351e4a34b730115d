import Replay
import Support
import Testing
import VMMCore

/// Watchpoints that belong to an address space: two tasks have the same linear addresses.
@Suite struct TimelineSpaceTests {
  let fixture = TimelineFixture()
  /// Both tasks' stack, below what its first lines push.
  private static let stack: UInt64 = 0x401000
  private static let stackTop: UInt64 = 0x402000

  private struct Hit: Equatable {
    var position: Position
    var address: UInt64
    var space: AddressSpace?
  }

  private func watch(_ space: AddressSpace?) -> TimelineRequest {
    let range = WatchRange(
      .write, first: TimelineSpaceTests.stack, last: TimelineSpaceTests.stackTop - 1, in: space)
    return TimelineRequest(.continue, watches: [range])
  }

  /// All stops on the way to the end, or from there to the begin.
  private func hits(
    _ timeline: Timeline, _ request: TimelineRequest, _ move: (TimelineRequest) throws -> TimelineStop
  ) throws -> [Hit] {
    var hits: [Hit] = []
    while case .watch(let range, let address) = try move(request) {
      #expect(range == request.watches[0])
      hits.append(Hit(position: timeline.position, address: address, space: AddressSpace(try timeline.state())))
    }
    return hits
  }

  /// The oracle is the watchpoint of all spaces, whose hits are told apart by CR3 at each.
  @Test func eachSpaceHasItsOwnHits() throws {
    let timeline = try fixture.timeline("tasks")
    let forward: (TimelineRequest) throws -> TimelineStop = { try timeline.forward($0, control: Permissive()) }
    let backward: (TimelineRequest) throws -> TimelineStop = { try timeline.backward($0, control: Permissive()) }
    let all = try hits(timeline, watch(nil), forward)
    var spaces: [AddressSpace] = []
    for hit in all { if let space = hit.space, !spaces.contains(space) { spaces.append(space) } }
    #expect(spaces.count == 2)
    let allBack = try hits(timeline, watch(nil), backward)
    #expect(allBack.count == all.count)
    for space in spaces {
      #expect(try hits(timeline, watch(space), forward) == all.filter { $0.space == space })
      #expect(try hits(timeline, watch(space), backward) == allBack.filter { $0.space == space })
    }
    #expect(try hits(timeline, watch(AddressSpace(cr3: 0x12345000)), forward) == [])
    _ = try timeline.finish()
  }

  @Test func memoryOfASpaceThatTheMachineIsNotIn() throws {
    let timeline = try fixture.timeline("tasks")
    guard case .watch = try timeline.forward(watch(nil), control: Permissive()) else {
      Issue.record("no write")
      return
    }
    let first = try #require(AddressSpace(try timeline.state()))
    let there = timeline.read(linear: TimelineSpaceTests.stack, count: 4096)
    #expect(timeline.isUserMemory(at: TimelineSpaceTests.stack, in: first))
    #expect(!timeline.isUserMemory(at: 0x200000, in: first), "the kernel's")
    #expect(timeline.isIn(first, for: TimelineSpaceTests.stack))
    while AddressSpace(try timeline.state()) == first {
      guard case .watch = try timeline.forward(watch(nil), control: Permissive()) else { break }
    }
    #expect(!timeline.isIn(first, for: TimelineSpaceTests.stack))
    let here = timeline.read(linear: TimelineSpaceTests.stack, count: 4096)
    let other = timeline.read(linear: TimelineSpaceTests.stack, count: 4096, in: first)
    #expect(other != here)
    #expect(other.count == 4096 && there.count == 4096)
    _ = try timeline.finish()
  }
}
