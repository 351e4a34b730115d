internal import Machine
internal import Replay
internal import VMMCore

/// What `--cpu help` prints: the models, and which features which engine offers on this host.
enum CPUHelp {
  /// Prints it when the user asked for it.
  static func answers(_ arguments: Arguments) -> Bool {
    guard arguments.value("--cpu") == "help" else { return false }
    say(text)
    return true
  }

  static var text: String {
    let catalogues = EngineKind.allCases.map(\.cpuModels)
    var lines = ["--cpu MODEL[,+FEATURE][,-FEATURE][,undefined=PROFILE]...", "", "models:"]
    lines += columns(catalogues[0].models.map { ["  " + $0.name, $0.summary] })
    lines += ["", "undefined=PROFILE (what the manuals leave open; the software engine's choice):"]
    lines += ["  " + UndefinedProfile.named.map(\.name).joined(separator: ", ")]
    lines += ["", "features (d: in the default model, +: offered, -: not to be had):"]
    let rows = CPUFeature.all.map { feature in
      ["  " + feature.name] + catalogues.map { mark(feature, in: $0) }
    }
    return (lines + columns([["  "] + catalogues.map(\.engine)] + rows)).joined(separator: "\n")
  }

  private static func mark(_ feature: CPUFeature, in catalogue: CPUCatalogue) -> String {
    if catalogue.defaults.contains(feature) { return "d" }
    return catalogue.offered.contains(feature) ? "+" : "-"
  }
}
