/// A place in an execution: opaque, totally ordered. Only engines and sessions look inside.
///
/// A recorded run is a sequence of events: synchronous interactions (each port, MMIO, MSR or time-stamp access and each
/// HLT, one unit at a time) and asynchronous deliveries (interrupts, NMIs, device writes). A position names the last
/// event that is complete, and how far execution has gone since.
public struct Position: Hashable, Comparable, Sendable {
  /// How many events are complete.
  public var ordinal: UInt64
  /// Instructions retired since that event.
  public var instructions: UInt64
  /// Completed iterations of a REP instruction that is under way (0 between instructions).
  public var iterations: UInt64

  public init(ordinal: UInt64, instructions: UInt64 = 0, iterations: UInt64 = 0) {
    self.ordinal = ordinal
    self.instructions = instructions
    self.iterations = iterations
  }

  /// Before the first instruction.
  public static let begin = Position(ordinal: 0)

  public static func < (a: Self, b: Self) -> Bool {
    (a.ordinal, a.instructions, a.iterations) < (b.ordinal, b.instructions, b.iterations)
  }
}

/// The text form that users see and type: `1234`, `1234+56`, `1234+56.7`.
extension Position: LosslessStringConvertible {
  public var description: String {
    if iterations != 0 { return "\(ordinal)+\(instructions).\(iterations)" }
    return instructions != 0 ? "\(ordinal)+\(instructions)" : "\(ordinal)"
  }

  public init?(_ text: String) {
    let halves = text.split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = halves.first, let ordinal = UInt64(first) else { return nil }
    self.init(ordinal: ordinal)
    guard halves.count == 2 else { return }
    let parts = halves[1].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let count = parts.first.flatMap({ UInt64($0) }) else { return nil }
    instructions = count
    guard parts.count == 2 else { return }
    guard let done = UInt64(parts[1]) else { return nil }
    iterations = done
  }
}
