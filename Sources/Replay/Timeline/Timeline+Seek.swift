internal import Trace
public import VMMCore

/// A place to go to.
public enum TimelinePlace: Equatable, Sendable {
  case begin
  case end
  case position(Position)
  /// After so many instructions from the begin.
  case instruction(UInt64)
  /// The user's checkpoint of this number.
  case mark(Int)
}

extension Timeline {
  /// Goes to a place: `.step` on arrival, `.interrupted` somewhere on the way when asked to stop. Throws
  /// `TimelineError`, and stands where it stood, when there is no such place.
  public func seek(_ place: TimelinePlace, control: any TimelineControl) throws -> TimelineStop {
    guard diversion == nil else { throw TimelineError("a diversion is under way: end it first") }
    return try onThePath { try move(to: place, control) }
  }

  private func move(to place: TimelinePlace, _ control: any TimelineControl) throws -> TimelineStop {
    switch place {
    case .begin:
      try goBack(to: store.all[0])
      return .step
    case .end:
      try jumpAhead(upTo: Moment(instructions: .max, events: .max))
      return try run(toPlace: .end, control)
    case .mark(let number):
      guard let mark = kept.first(where: { $0.number == number }) else {
        throw TimelineError("there is no checkpoint \(number)")
      }
      try goBack(to: mark.checkpoint)
      return .step
    case .instruction(let count): return try seek(instruction: count, control)
    case .position(let position): return try seek(position: position, control)
    }
  }

  private func seek(instruction count: UInt64, _ control: any TimelineControl) throws -> TimelineStop {
    if let total = totalInstructions, count > total {
      throw TimelineError("the recording has \(total) instructions")
    }
    let origin = try placeToReturnTo()
    while true {
      let stop = try go(toNumber: machine.epochs.number(afterInstructions: count), control)
      if stop == .interrupted { return stop }
      // Where an epoch ended before its length was known, the number was none of it.
      guard let arrived = instructions else { throw TimelineError("instructions were left uncounted") }
      if arrived >= count { return .step }
      if stop == .end {
        try goBack(to: origin)
        throw TimelineError("the recording has \(arrived) instructions")
      }
    }
  }

  /// Goes to an instruction by its number in the machine's own numbering.
  private func go(toNumber number: UInt64, _ control: any TimelineControl) throws -> TimelineStop {
    let bound = Moment(instructions: number, events: 0)
    if moment < bound, moment.instructions <= number {
      try jumpAhead(upTo: bound)
    } else {
      try goBack(to: store.last(upTo: bound) ?? store.all[0])
    }
    return try run(toPlace: .init(instructions: number), control)
  }

  /// Lets the software engine run through everything that has not been counted, up to the end: `totalInstructions` is
  /// known then, and the machine stands there. `.interrupted` somewhere on the way when asked to stop.
  public func countInstructions(control: any TimelineControl) throws -> TimelineStop {
    // Nothing is left uncounted behind the end.
    guard try seek(.end, control: control) != .interrupted else { return .interrupted }
    while let (_, next) = machine.epochs.uncounted {
      guard try count(before: next, control) else { return .interrupted }
    }
    return try seek(.end, control: control)
  }

  private func seek(position: Position, _ control: any TimelineControl) throws -> TimelineStop {
    guard position.ordinal <= eventCount else {
      throw TimelineError("there is no position \(position): the last one is \(eventCount)")
    }
    let origin = try placeToReturnTo()
    if let start = store.last(upTo: position),
      machine.core.position > position || start.position > machine.core.position
    {
      try goBack(to: start)
    }
    if machine.core.progress.events < position.ordinal {
      let stop = try run(toPlace: .init(instructions: 0, events: position.ordinal), control)
      if stop == .interrupted { return stop }
    }
    let wanted = machine.core.progress.retiredAtEvent &+ position.instructions
    let stop = try run(
      toPlace: .init(instructions: wanted, events: position.ordinal, iterations: position.iterations), control)
    if stop == .interrupted { return stop }
    guard machine.core.position == position else {
      try goBack(to: origin)
      throw TimelineError("there is no position \(position): the machine never stands there")
    }
    return .step
  }

  private func run(toPlace goal: TimelineMachine.Goal, _ control: any TimelineControl) throws -> TimelineStop {
    machine.arm(breakpoints: [], watches: [])
    let stop = try run(to: goal, control)
    if goal.instructions == .max, stop == .end { return .step }
    return stop
  }

  /// Checkpoints ahead save running there.
  private func jumpAhead(upTo bound: Moment) throws {
    if let ahead = store.last(upTo: bound), ahead.moment > moment { try goBack(to: ahead) }
  }

  /// The machine always stands between instructions when it is handed over.
  private func placeToReturnTo() throws -> Checkpoint { try takeCheckpoint() }
}

extension CheckpointStore {
  /// The last one at or before a position.
  func last(upTo position: Position) -> Checkpoint? { all.last { $0.position <= position } }
}
