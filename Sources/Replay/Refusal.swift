internal import VMMCore

/// Why a trace cannot be replayed on an engine that it was not recorded on, and what to do.
enum Refusal {
  /// An interrupt came between two iterations of a REP instruction.
  case insideRepeat

  var reason: String {
    switch self {
    case .insideRepeat: "an interrupt came inside a REP instruction, where KVM cannot stop"
    }
  }
}

extension ReplayCore {
  /// The refusal as an error, at the event that is next.
  func refusal(_ refusal: Refusal) -> EngineError {
    EngineError("event \(progress.events) cannot be replayed here: \(refusal.reason); use --engine software")
  }
}
