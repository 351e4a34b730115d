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
  /// What guests get where the manuals leave it open.
  public var undefined: UndefinedProfile
  /// Whether a model may name another profile: the host's CPU has its own.
  public var choosesUndefined: Bool { engine == "software" }
  /// Why some features are not offered; for others it is that the engine lacks them.
  public var refusals: [(feature: CPUFeature, reason: String)]

  public init(
    engine: String, offered: [CPUFeature], defaults: [CPUFeature], brand: String,
    undefined: UndefinedProfile = .reference, refusals: [(feature: CPUFeature, reason: String)] = []
  ) {
    self.engine = engine
    self.offered = offered
    self.defaults = defaults
    self.brand = brand
    self.undefined = undefined
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
  public var defaultModel: CPUModel { model("default", defaults, undefined) }

  /// The model that a text describes: a name, then `,+feature`, `,-feature` and `,undefined=profile` in any number. Its
  /// name is the text.
  public func model(_ text: String) throws(CPUModelError) -> CPUModel {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    let name = parts.first.map { String($0) } ?? ""
    guard let base = models.first(where: { $0.name == name }) else {
      let known = models.map(\.name).joined(separator: ", ")
      throw CPUModelError("no CPU model \(name): there are \(known); `--cpu help` lists the features")
    }
    var features = base.features
    var undefined = undefined
    for part in parts.dropFirst() {
      if part.hasPrefix("undefined=") {
        undefined = try profile(named: part.dropFirst("undefined=".count))
        continue
      }
      guard let sign = part.first, sign == "+" || sign == "-" else {
        throw CPUModelError("\(part): give +FEATURE, -FEATURE or undefined=PROFILE after the CPU model")
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
    return model(text, features, undefined)
  }

  private func model(_ name: String, _ features: [CPUFeature], _ undefined: UndefinedProfile) -> CPUModel {
    var model = CPUModel(name: name, features: features, brand: brand)
    model.undefined = undefined
    return model
  }

  private func profile(named name: Substring) throws(CPUModelError) -> UndefinedProfile {
    guard let known = UndefinedProfile.named.first(where: { $0.name == name }) else {
      let names = UndefinedProfile.named.map(\.name).joined(separator: ", ")
      throw CPUModelError("no profile \(name) of undefined behaviour: there are \(names)")
    }
    guard choosesUndefined || known.profile == undefined else {
      throw CPUModelError("undefined=\(name): the \(engine) engine has what this host's CPU does")
    }
    return known.profile
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
