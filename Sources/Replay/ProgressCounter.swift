internal import VMMCore

/// Counts the instructions since the last event, as far as the engine lets them be known.
struct ProgressCounter {
  /// The engine stands right at the last event, which was an interaction.
  private(set) var isAtInteraction = true
  /// The engine stands right at the last event.
  private(set) var isAtEvent = true
  /// `retiredInstructions` at the last event, where the engine counts.
  private var retiredAtEvent: UInt64?
  /// `repeatIterations` at the last event.
  private var iterationsAtEvent: UInt64 = 0
  /// Instructions since the last event, where it counts only sometimes; `nil` once the guest ran uncounted.
  private var steps: UInt64? = 0

  init(_ engine: any Engine) { retiredAtEvent = engine.retiredInstructions }

  mutating func eventDone(_ engine: any Engine, isInteraction: Bool) {
    isAtInteraction = isInteraction
    isAtEvent = true
    retiredAtEvent = engine.retiredInstructions
    iterationsAtEvent = engine.repeatIterations
    steps = 0
  }

  /// The guest has run, to a place that is known when the engine counted on the way.
  mutating func ran(_ engine: any Engine) {
    isAtInteraction = false
    isAtEvent = false
    guard let known = steps, let more = engine.instructionsOfLastRun else {
      steps = nil
      return
    }
    steps = known + more
  }

  /// The guest ran exactly this far.
  mutating func stepped(_ count: UInt64) {
    isAtInteraction = false
    isAtEvent = false
    steps = steps.map { $0 + count }
  }

  /// Instructions since the last event; `nil` when only a fingerprint can name the place.
  func instructions(_ engine: any Engine) -> UInt64? {
    guard let retired = engine.retiredInstructions, let retiredAtEvent else { return steps }
    return retired - retiredAtEvent
  }

  /// Iterations of the REP instruction under way since the last event.
  func iterations(_ engine: any Engine) -> UInt64 {
    let all = engine.repeatIterations
    return instructions(engine) == 0 && all >= iterationsAtEvent ? all - iterationsAtEvent : all
  }
}
