/// A place in the software engine's replay: every architectural state of a run has its own, and they are ordered as the
/// states follow each other.
struct Moment: Hashable, Comparable {
  /// The number of the next instruction (`Epochs`): as long as the software engine has gone all the way, instructions
  /// retired since the begin. One that ends in an exception counts too.
  var instructions: UInt64
  /// Events complete: an interrupt that is delivered makes a new moment without an instruction.
  var events: UInt64
  /// Iterations of the REP instruction under way since the last event.
  var iterations: UInt64 = 0

  static let begin = Moment(instructions: 0, events: 0)

  static func < (a: Moment, b: Moment) -> Bool {
    (a.instructions, a.events, a.iterations) < (b.instructions, b.events, b.iterations)
  }

  /// The least moment after it.
  var next: Moment { Moment(instructions: instructions, events: events, iterations: iterations &+ 1) }
}
