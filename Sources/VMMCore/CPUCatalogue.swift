/// The CPU models that an engine offers, and what `--cpu` text means.
public struct CPUCatalogue: Sendable {
  /// `kvm` or `software`, for messages.
  public var engine: String
  /// All that guests can be told there is.
  public var offered: [CPUFeature]
  /// What `default` has.
  public var defaults: [CPUFeature]
  /// The processor's name in CPUID.
  public var brand: String
  /// Why some features are not offered; for others it is that the engine lacks them.
  public var refusals: [(feature: CPUFeature, reason: String)]

  public init(
    engine: String, offered: [CPUFeature], defaults: [CPUFeature], brand: String,
    refusals: [(feature: CPUFeature, reason: String)] = []
  ) {
    self.engine = engine
    self.offered = offered
    self.defaults = defaults
    self.brand = brand
    self.refusals = refusals
  }

  /// The named models with what they have, and a line on each.
  public var models: [(name: String, features: [CPUFeature], summary: String)] {
    [
      ("default", defaults, "what suits this engine; no time-stamp counter, no random numbers"),
      ("x86-64", CPUFeature.level1, "the first 64-bit CPUs (x86-64-v1): up to SSE2"),
      ("x86-64-v2", CPUFeature.level2, "up to SSE4.2 and POPCNT"),
      ("max", offered, "all that the engine offers"),
    ]
  }

  /// The default model.
  public var defaultModel: CPUModel { CPUModel(name: "default", features: defaults, brand: brand) }

  /// The model that a text describes: a name, then `,+feature` and `,-feature` in any number. Its name is the text.
  public func model(_ text: String) throws(CPUModelError) -> CPUModel {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    let name = parts.first.map { String($0) } ?? ""
    guard let base = models.first(where: { $0.name == name }) else {
      let known = models.map(\.name).joined(separator: ", ")
      throw CPUModelError("no CPU model \(name): there are \(known); `--cpu help` lists the features")
    }
    var features = base.features
    for part in parts.dropFirst() {
      guard let sign = part.first, sign == "+" || sign == "-" else {
        throw CPUModelError("\(part): give +FEATURE or -FEATURE after the CPU model")
      }
      guard let feature = CPUFeature.named(part.dropFirst()) else {
        throw CPUModelError("no CPU feature \(part.dropFirst()): `--cpu help` lists them")
      }
      features.removeAll { $0 == feature }
      if sign == "+" {
        features.append(feature)
      } else if CPUFeature.required.contains(feature) {
        throw CPUModelError("-\(feature.name): every 64-bit CPU has it")
      }
    }
    if let missing = features.first(where: { !offered.contains($0) }) {
      throw CPUModelError("\(missing.name): \(refusal(of: missing))")
    }
    return CPUModel(name: text, features: features, brand: brand)
  }

  private func refusal(of feature: CPUFeature) -> String {
    refusals.first { $0.feature == feature }?.reason ?? "the \(engine) engine does not have it here"
  }
}

/// A text describes no CPU model that can be had: one line says why.
public struct CPUModelError: Error, Equatable, CustomStringConvertible {
  public var description: String
  public init(_ description: String) { self.description = description }
}
