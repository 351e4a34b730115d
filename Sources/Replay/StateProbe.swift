internal import GuestMemory
internal import Trace
internal import VMMCore

/// Takes the digests of registers and memory where an engine stands. Recorder and replayer use the same one, so a
/// digest means the same on both sides.
final class StateProbe {
  /// The engine that runs the guest.
  var engine: any Engine
  private let memory: GuestMemory
  private let rule: StateRule
  private let memoryDigest: MemoryDigest
  /// The pages that changed since the last `forgetTouched`.
  private var touched: PageSet
  /// The pages that changed since the memory's digest was last taken.
  private var stale: PageSet
  /// Told of the pages that the guest, or a delivery, has changed: checkpoints are made of them.
  var onChange: (([Int]) -> Void)?

  /// No detail holds more ranges of memory than this.
  private static let maximumRanges = 256

  /// `memory` must be as the machine starts: what was placed in it is still in its dirty set.
  init(engine: any Engine, memory: GuestMemory, rule: StateRule = .current) {
    self.engine = engine
    self.memory = memory
    self.rule = rule
    memoryDigest = MemoryDigest(of: memory)
    touched = PageSet(pageCount: memory.pageCount)
    stale = PageSet(pageCount: memory.pageCount)
  }

  /// The digest of the memory as it is now; costs the pages that changed since the last call.
  func memoryNow() throws(EngineError) -> UInt64 {
    try collectChanges()
    memoryDigest.update(pages: stale.takeAll())
    return memoryDigest.value
  }

  /// Takes note of the pages that changed since the last call, without looking at them.
  @discardableResult
  func collectChanges() throws(EngineError) -> [Int] {
    try engine.collectDirtyPages()
    let pages = memory.takeDirtyPages()
    note(pages)
    onChange?(pages)
    return pages
  }

  /// These pages hold something else than before.
  func note(_ pages: [Int]) {
    for page in pages {
      stale.insert(page)
      touched.insert(page)
    }
  }

  /// The digests at a place where the engine is settled.
  func digest(of state: CPUState, output: UInt64) throws(EngineError) -> StateDigest {
    StateDigest(
      cpu: state.digest(rule), memory: try memoryNow(), output: output, instructions: engine.retiredInstructions ?? 0)
  }

  // MARK: details

  /// The registers, and checks of the memory that changed since the detail before; after `memoryNow`.
  func takeDetail(of state: CPUState) -> StateDetail {
    defer { forgetTouched() }
    var shift: UInt8 = 0
    var numbers = touchedRanges(shift)
    while numbers.count > StateProbe.maximumRanges {
      shift += 1
      numbers = touchedRanges(shift)
    }
    return StateDetail(
      words: CPUState.fields.map { $0.get(state) }, pageShift: shift,
      ranges: numbers.map { RangeCheck(number: $0, check: check(range: $0, shift)) })
  }

  func forgetTouched() { touched.removeAll() }

  /// What differs from a recorded detail, in ranges that either side changed; after `memoryNow`.
  func differences(from detail: StateDetail) -> [PageDifference] {
    let shift = detail.pageShift
    var recorded = detail.ranges[...]
    var different: [PageDifference] = []
    for number in touchedRanges(shift) {
      while let first = recorded.first, first.number < number {
        noteIfDifferent(recorded.removeFirst(), shift, &different)
      }
      if recorded.first?.number == number {
        noteIfDifferent(recorded.removeFirst(), shift, &different)
      } else {
        different.append(difference(number, shift))
      }
    }
    for range in recorded { noteIfDifferent(range, shift, &different) }
    return different
  }

  /// What differs from a recorded detail in the ranges that it holds; after `memoryNow`.
  func recordedDifferences(from detail: StateDetail) -> [PageDifference] {
    var different: [PageDifference] = []
    for range in detail.ranges { noteIfDifferent(range, detail.pageShift, &different) }
    return different
  }

  private func noteIfDifferent(_ range: RangeCheck, _ shift: UInt8, _ different: inout [PageDifference]) {
    if check(range: range.number, shift) != range.check { different.append(difference(range.number, shift)) }
  }

  private func difference(_ number: UInt32, _ shift: UInt8) -> PageDifference {
    let first = min(UInt64(number) << UInt64(shift), UInt64(memory.pageCount - 1))
    return PageDifference(start: memory.address(ofPage: Int(first)), pageCount: 1 << Int(shift))
  }

  /// The numbers of the ranges of `1 << shift` pages that hold a touched page, ascending.
  private func touchedRanges(_ shift: UInt8) -> [UInt32] {
    var numbers: [UInt32] = []
    for page in touched.all {
      let number = UInt32(page >> Int(shift))
      if numbers.last != number { numbers.append(number) }
    }
    return numbers
  }

  /// The low bits of the sum of the range's page digests; 0 for a range beyond the memory (a damaged trace's).
  private func check(range number: UInt32, _ shift: UInt8) -> UInt16 {
    let first = Int(number) << Int(shift)
    guard first < memory.pageCount else { return 0 }
    var sum: UInt64 = 0
    for page in first..<min(first + 1 << Int(shift), memory.pageCount) { sum &+= memoryDigest.ofPage(page) }
    return UInt16(truncatingIfNeeded: sum)
  }
}
