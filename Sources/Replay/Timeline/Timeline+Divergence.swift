internal import Trace

// Where the replay cannot follow the recording any further.
extension Timeline {
  /// Moves the machine. When the replay diverges on the way, or the trace is damaged there, the machine is left at the
  /// last place on the recorded path: before the instruction, or the delivery, at which it left it.
  func onThePath(_ move: () throws -> TimelineStop) throws -> TimelineStop {
    do {
      return try move()
    } catch let error where error is Divergence || error is TraceError {
      try goToTheLastPlace(upTo: moment)
      throw error
    }
  }

  /// - Parameter end: the moment at which the machine left the path. Any place after it is beyond the path.
  private func goToTheLastPlace(upTo end: Moment) throws {
    let start = store.last(upTo: end) ?? store.all[0]
    try goBack(to: start)
    // The instruction that went wrong is the one before `end`, or the one at `end` where it has not retired.
    if start.moment.instructions &+ 1 < end.instructions {
      _ = try approach(.init(instructions: end.instructions - 1), before: end, Undisturbed())
    }
    machine.arm(breakpoints: [], watches: [])
    let from = try takeCheckpoint()
    var steps = 0
    while moment <= end, let stop = try? machine.advance(to: nextStep, shouldStop: { false }), stop != .end {
      steps += 1
    }
    try goBack(to: from)
    for _ in 0..<steps { _ = try machine.advance(to: nextStep, shouldStop: { false }) }
  }
}

private final class Undisturbed: TimelineControl {
  func shouldStop() -> Bool { false }
  func shouldReport(breakpointAt address: UInt64) -> Bool { false }
}
