internal import Machine
internal import Replay

/// Of all verbs that execute guests.
let translationOption = Option(
  "--translate", value: "HOW", help: "on, off or auto (default): whether the software engine makes host code")

extension Arguments {
  func chooseTranslation() throws {
    guard let text = value(translationOption.names[0]) else { return }
    guard let choice = TranslationChoice(rawValue: text) else {
      throw UsageError("--translate \(text): give on, off or auto")
    }
    try choice.apply()
  }
}
