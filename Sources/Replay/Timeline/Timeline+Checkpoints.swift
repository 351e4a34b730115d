internal import GuestMemory
public import VMMCore
internal import X86

// Taking checkpoints and going back to them.
extension Timeline {
  /// A checkpoint right here; only where `machine.isBetweenInstructions`. Costs a copy of each page that was written
  /// since the last one was taken or gone back to.
  func takeCheckpoint() throws -> Checkpoint {
    try collectChanges()
    base = base.updated(pages: changed.takeAll(), from: memory, pool: pool)
    return Checkpoint(
      moment: moment, state: try machine.state(), iterations: machine.engine.iterationsUnderWay,
      progress: machine.core.progress, image: base)
  }

  func collectChanges() throws { try machine.core.probe.collectChanges() }

  /// Leaves an automatic checkpoint here, where steps end: not inside a REP instruction.
  func leaveCheckpoint() throws {
    store.insert(try takeCheckpoint())
    thinCheckpoints(around: moment)
  }

  func thinCheckpoints(around here: Moment) {
    store.thin(around: here, budget: options.checkpointMemory, pool: pool, machine.epochs)
  }

  /// Makes the machine what it was there. Copies only pages that differ.
  func goBack(to checkpoint: Checkpoint) throws {
    endFootprint()
    frontier = max(frontier, moment)
    try collectChanges()
    let written = changed.takeAll()
    let different = base.differences(from: checkpoint.image)
    let pages = merge(written, different)
    for page in pages { checkpoint.image.restore(page: page, in: memory) }
    base = checkpoint.image
    machine.restore(checkpoint, changed: pages)
  }

  /// Two ascending lists as one.
  private func merge(_ a: [Int], _ b: [Int]) -> [Int] {
    var merged: [Int] = []
    merged.reserveCapacity(a.count + b.count)
    var (i, j) = (0, 0)
    while i < a.count || j < b.count {
      let (x, y) = (i < a.count ? a[i] : .max, j < b.count ? b[j] : .max)
      merged.append(min(x, y))
      if x <= y { i += 1 }
      if y <= x { j += 1 }
    }
    return merged
  }

  /// Bytes that the pages of all checkpoints take.
  public var checkpointBytes: Int { pool.bytes }
  /// Automatic checkpoints.
  public var checkpointCount: Int { store.all.count }
}

// The user's checkpoints.
extension Timeline {
  /// A checkpoint that the user asked for.
  public struct Mark: Equatable, Sendable {
    public var number: Int
    public var position: Position
    /// The linear address of the next instruction there.
    public var address: UInt64
    public var note: String
  }

  public var marks: [Mark] {
    kept.map {
      Mark(
        number: $0.number, position: $0.checkpoint.position, address: $0.checkpoint.state.linearRIP, note: $0.note)
    }
  }

  public func createMark(note: String) throws -> Mark {
    guard diversion == nil else { throw TimelineError("no checkpoints in a diversion") }
    guard machine.isBetweenInstructions else { throw TimelineError("no checkpoint inside an instruction: step first") }
    lastNumber += 1
    kept.append((lastNumber, note, try takeCheckpoint()))
    return marks[marks.count - 1]
  }

  public func deleteMark(_ number: Int) throws {
    guard let index = kept.firstIndex(where: { $0.number == number }) else {
      throw TimelineError("there is no checkpoint \(number)")
    }
    kept.remove(at: index)
  }
}
