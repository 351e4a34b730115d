public import VMMCore

/// What a trace says of its end, as far as it can be read.
public struct TraceEnding: Equatable, Sendable {
  /// How many events there are.
  public var events: UInt64
  /// Why the recording ended; `nil` when it was cut off, or where it is damaged.
  public var reason: EndReason?
  /// How far behind the last event the guest is known to have gone, where the trace says it.
  public var mark: Mark?
  /// Instructions from the begin to the end, or to as far as the guest is known to have gone, where they were counted.
  public var instructions: UInt64?

  /// The place where a replay ends. Behind a place that a fingerprint names nobody has counted.
  public var position: Position { (mark?.place ?? .here).position(ordinal: events) }

  /// Where a replay ends, for people.
  public var place: String {
    var text = "position \(position)"
    if case .fingerprint(let fingerprint)? = mark?.place { text += ", and on to rip \(hex(fingerprint.rip))" }
    return text + (instructions.map { ", instruction \($0)" } ?? "")
  }
}

extension TraceReader {
  /// How the recording ended. Reads the last chunk alone: whether it is true a replay finds out.
  public var ending: TraceEnding {
    var cursor = TraceCursor(self, chunk: max(0, eventChunks.count - 1))
    var ending = TraceEnding(events: 0)
    while let event = try? cursor.next() {
      switch event {
      case .interaction, .delivery: ending.instructions = nil
      case .digest(let digest): ending.instructions = digest.instructions > 0 ? digest.instructions : nil
      case .detail: break
      case .mark(let mark):
        ending.mark = mark
        ending.instructions = mark.instructions > 0 ? mark.instructions : ending.instructions
      case .end(let reason): ending.reason = reason
      }
    }
    ending.events = cursor.ordinal
    // A triple fault comes some instructions behind a digest.
    if ending.reason == .shutdown, ending.mark == nil { ending.instructions = nil }
    return ending
  }
}
