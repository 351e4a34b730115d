internal import KVM
internal import Loaders
internal import Machine
internal import Trace
internal import VMMCore

/// Why a trace cannot be replayed on an engine that it was not recorded on, and what to do.
enum Refusal {
  /// An interrupt came between two iterations of a REP instruction.
  case insideRepeat
  /// KVM lets nobody answer this read.
  case notTrapped(VCPUExit)

  var reason: String {
    switch self {
    case .insideRepeat: "an interrupt came inside a REP instruction, where KVM cannot stop"
    case .notTrapped(let exit): "\(exit) takes its value from the log, and KVM executes it without asking"
    }
  }

  /// The refusal as an error, at an event.
  func error(at event: UInt64) -> EngineError {
    EngineError("event \(event) cannot be replayed on KVM: \(reason); use --engine software")
  }
}

extension TraceReader {
  /// This host's CPU does as the recording one where the manuals leave it open, or had no part in the recording.
  func isOfThisCPU(_ recorded: EngineKind) -> Bool {
    // Old recordings by KVM do not say, and some of them only KVM replays.
    recorded == .software || header.stateRule == .first || header.cpuModel.undefined == .host
  }

  /// Features of the recorded CPU that guests of an engine cannot have on this host.
  func missingFeatures(for kind: EngineKind) -> [CPUFeature] {
    let offered = kind.cpuModels.offered
    return header.cpuModel.features.filter { !offered.contains($0) }
  }

  /// Throws when the recorded CPU has features that the engine does not have here. What the software engine has
  /// recorded is KVM's to try: there the guest's own use of a feature decides.
  func checkModel(for kind: EngineKind, recordedBy recorded: EngineKind) throws {
    guard kind == .software || kind == .kvm && recorded != .software && kind.isOffered else { return }
    let missing = missingFeatures(for: kind)
    guard !missing.isEmpty else { return }
    let names = missing.map(\.name).joined(separator: ", ")
    let lacking = kind == .kvm ? "this host's KVM does" : "the software engine does"
    let advice = kind == .kvm && missingFeatures(for: .software).isEmpty ? "; use --engine software" : ""
    throw EngineError("the recorded CPU has features that \(lacking) not have: \(names)\(advice)")
  }

  /// Throws when the software engine's recording holds something that KVM cannot do in any mode.
  func checkFitness(for kind: EngineKind, recordedBy recorded: EngineKind, _ initial: InitialMachine) throws {
    guard kind == .kvm, recorded == .software else { return }
    let kernel = initial.images.first { $0.role == .kernel }
    let trapsTimestamps = kernel.map { !GuestLoader.timestampSites(in: $0.bytes).isEmpty } ?? false
    var cursor = makeCursor()
    while let event = try? cursor.peek() {
      switch event {
      case .interaction(.randomRead, _): throw Refusal.notTrapped(.randomRead).error(at: cursor.ordinal)
      case .interaction(.timestampRead, _):
        if !trapsTimestamps { throw Refusal.notTrapped(.timestampRead).error(at: cursor.ordinal) }
      case .delivery(_, .instructions(_, let iterations)):
        if iterations > 0 { throw Refusal.insideRepeat.error(at: cursor.ordinal) }
      default: break
      }
      // Damage is the replay's to report, where it gets that far.
      guard (try? cursor.next()) != nil else { return }
    }
  }
}
