internal import VMMCore

extension Destination {
  /// What users type: `begin`, `end`, a position (`1234`, `1234+56`), `instruction N`, a share of the recording's
  /// instructions (`50%`), `checkpoint N`. Nothing means the begin.
  init(words: [String], in recording: RecordingInfo) throws(PacketError) {
    guard let destination = Destination.parse(words, in: recording) else {
      throw .refused(
        "not a place: \(words.joined(separator: " ")) (begin, end, a position such as 1234+56, instruction N, 50%, "
          + "checkpoint N)")
    }
    self = destination
  }

  private static func parse(_ words: [String], in recording: RecordingInfo) -> Destination? {
    switch words.count {
    case 0: return .begin
    case 1: return parse(words[0], in: recording)
    case 2:
      switch words[0] {
      case "instruction": return UInt64(words[1]).map { .instruction($0) }
      case "checkpoint": return Int(words[1]).map { .checkpoint($0) }
      default: return nil
      }
    default: return nil
    }
  }

  private static func parse(_ word: String, in recording: RecordingInfo) -> Destination? {
    switch word {
    case "begin", "start": return .begin
    case "end": return .end
    default: break
    }
    if word.hasSuffix("%") {
      guard let share = UInt64(word.dropLast()), share <= 100, let total = recording.instructions else { return nil }
      return .instruction(total / 100 * share + total % 100 * share / 100)
    }
    return Position(word).map { .position($0) }
  }
}
