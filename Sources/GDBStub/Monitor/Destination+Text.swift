internal import VMMCore

extension Destination {
  /// What users type: `begin`, `end`, a position (`1234`, `1234+56`), an instruction count (`instruction N`, `iN`), a
  /// share of the recording's instructions (`50%`), `checkpoint N`.
  public init?(_ text: String) {
    let words = text.split { $0 == " " || $0 == "\t" }.map(String.init)
    guard let destination = Destination.parse(words) else { return nil }
    self = destination
  }

  /// What there is to say to whoever types something else.
  public static let choices = "begin, end, a position such as 1234+56, instruction N or iN, 50%, checkpoint N"

  init(words: [String]) throws(PacketError) {
    guard let destination = Destination.parse(words) else {
      let what = words.isEmpty ? "give a place" : "not a place: \(words.joined(separator: " "))"
      throw .refused("\(what) (\(Destination.choices))")
    }
    self = destination
  }

  private static func parse(_ words: [String]) -> Destination? {
    switch words.count {
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
    if word.hasPrefix("i"), let count = UInt64(word.dropFirst()) { return .instruction(count) }
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
