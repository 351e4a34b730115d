internal import VMMCore

/// Finds out that a guest repeats itself, by Brent's algorithm on its state after every so many instructions: where
/// nothing comes in from outside, equal states have equal futures, so what has not come by then never comes. Sound for
/// every guest; a guest that counts while it waits never repeats itself, and is not found out.
struct StateCycle {
  /// A multiple of every number up to 16, so that loops of so many instructions are met at one place of theirs. Guests
  /// that get on come to an event sooner.
  static let step: UInt64 = 720_720 * 16

  /// When the state is to be looked at next, in instructions.
  private(set) var next = StateCycle.step
  private var anchor: Anchor?
  /// States since the anchor was taken, and how many of them before it is taken anew.
  private var distance: UInt64 = 0
  private var power: UInt64 = 1

  /// When the state was looked at last.
  private var last: UInt64?

  /// A state and the memory's digest, apart from the rest: few ways are long enough for one.
  private indirect enum Anchor: Equatable {
    case at(CPUState, memory: UInt64)
  }

  /// The state after so many instructions; true when it was there before.
  mutating func isRepeated(_ state: CPUState, memory: UInt64, after instructions: UInt64) -> Bool {
    // Who has not moved is where he was.
    if let last, instructions <= last { return false }
    last = instructions
    next = instructions + StateCycle.step
    let here = Anchor.at(state, memory: memory)
    if anchor == here { return true }
    distance += 1
    if anchor == nil || distance == power {
      anchor = here
      power *= 2
      distance = 0
    }
    return false
  }
}
