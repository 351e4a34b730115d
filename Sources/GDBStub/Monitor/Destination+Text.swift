internal import VMMCore

extension Destination {
  /// What users type: `begin`, `end`, a position (`1234`, `1234+56`), `instruction N`, a share of the recording's
  /// instructions (`50%`), `checkpoint N`. Nothing means the begin.
  init(words: [String]) throws(PacketError) {
    guard let destination = Destination.parse(words) else {
      throw .refused(
        "not a place: \(words.joined(separator: " ")) (begin, end, a position such as 1234+56, instruction N, 50%, "
          + "checkpoint N)")
    }
    self = destination
  }

  private static func parse(_ words: [String]) -> Destination? {
    switch words.count {
    case 0: return .begin
    case 1: return parse(words[0])
    case 2:
      switch words[0] {
      case "instruction": return UInt64(words[1]).map { .instruction($0) }
      case "checkpoint": return Int(words[1]).map { .checkpoint($0) }
      default: return nil
      }
    default: return nil
    }
  }

  private static func parse(_ word: String) -> Destination? {
    switch word {
    case "begin", "start": return .begin
    case "end": return .end
    default: break
    }
    if word.hasSuffix("%") {
      guard let share = UInt64(word.dropLast()), share <= 100 else { return nil }
      return .share(share)
    }
    return Position(word).map { .position($0) }
  }
}

extension Destination {
  /// The instruction at a share of all, in percent.
  public static func instruction(at share: UInt64, of total: UInt64) -> UInt64 {
    total / 100 &* share &+ total % 100 &* share / 100
  }
}
