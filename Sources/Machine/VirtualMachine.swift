public import GuestMemory
internal import KVM
internal import Loaders
public import Trace
public import VMMCore
internal import X86

/// The engines that can run a guest, by the names that traces hold.
public enum EngineKind: String, Sendable, CaseIterable {
  case kvm
  case software
  /// The software engine, with long stretches of user mode on the host's CPU.
  case hybrid = "kvm+software"

  /// This host can run it.
  public var isOffered: Bool {
    switch self {
    case .kvm: HostFitness.hasKVM
    case .software: true
    case .hybrid: HostFitness.offersUserMode
    }
  }

  /// It counts every instruction, so that time can be counted in them.
  public var counts: Bool { self == .software }

  /// The devices' clock, unless `--clock` names another one.
  public var defaultClock: ClockKind { counts ? .virtual : .host }

  /// The CPU models that guests of this engine can have on this host.
  public var cpuModels: CPUCatalogue {
    switch self {
    case .kvm: .kvm
    case .software: .software
    case .hybrid: .hybrid
    }
  }

  /// What CPUID says to guests of this engine unless `--cpu` names another model.
  public var defaultCPUModel: CPUModel {
    switch self {
    case .kvm: .kvmDefault
    case .software: .softwareDefault
    case .hybrid: CPUCatalogue.hybrid.defaultModel
    }
  }
}

/// A vCPU with its memory, set up as the initial machine says: what a recording and a replay both begin with.
public final class VirtualMachine {
  public let kind: EngineKind
  public let memory: GuestMemory
  public let engine: any Engine

  /// Makes the memory and the engine, and puts the guest in. Errors are host trouble or a guest that does not fit.
  public init(_ initial: InitialMachine, kind: EngineKind, cpuModel: CPUModel) throws {
    self.kind = kind
    memory = try GuestMemory(size: initial.memorySize)
    for placement in initial.placements {
      let bytes = try initial.bytes(of: placement)
      guard memory.write(bytes, at: placement.address) else {
        throw EngineError("the guest places \(bytes.count) bytes at \(placement.address), outside its memory")
      }
    }
    engine = try VirtualMachine.makeEngine(kind, for: initial, memory: memory, cpuModel: cpuModel)
    try engine.setState(initial.state)
  }

  /// A clock for the machine's devices, begun now. Virtual time needs an engine that counts.
  public func makeClock(_ kind: ClockKind) -> any MachineClock {
    switch kind {
    case .host: HostClock(stopping: engine)
    case .virtual: VirtualClock(engine: engine, nanosecondsPerInstruction: 1)
    }
  }

  /// An engine that is ready for a guest, on memory that holds it.
  public static func makeEngine(
    _ kind: EngineKind, for initial: InitialMachine, memory: GuestMemory, cpuModel: CPUModel
  ) throws -> any Engine {
    switch kind {
    case .kvm:
      let engine = try PartneredKVMEngine(memory: memory, cpuModel: cpuModel)
      if let kernel = initial.images.first(where: { $0.role == .kernel }) {
        try engine.kvm.trapTimestamps(at: GuestLoader.timestampSites(in: kernel.bytes))
      }
      return engine
    case .software: return SoftwareEngine(memory: memory, cpuModel: cpuModel)
    case .hybrid: return try HybridEngine(memory: memory, cpuModel: cpuModel)
    }
  }
}

extension InitialMachine {
  /// What a placement writes. Errors when it names an image, or a part of one, that is not there.
  public func bytes(of placement: Placement) throws(EngineError) -> [UInt8] {
    switch placement.source {
    case .bytes(let bytes): return bytes
    case .image(let index, let offset, let count):
      guard images.indices.contains(index), offset >= 0, count >= 0, offset <= images[index].bytes.count,
        count <= images[index].bytes.count - offset
      else { throw EngineError("a placement at \(placement.address) names bytes that no image has") }
      return Array(images[index].bytes[offset..<(offset + count)])
    }
  }
}

extension CPUCatalogue {
  /// What guests of both engines as one can have: what the software engine has, but for what user mode on the host's
  /// CPU reads past the log.
  static let hybrid: CPUCatalogue = {
    var catalogue = CPUCatalogue.software
    catalogue.engine = EngineKind.hybrid.rawValue
    catalogue.refusals = CPUCatalogue.kvm.refusals
    catalogue.undefined = CPUCatalogue.kvm.undefined
    catalogue.offered.removeAll { feature in CPUCatalogue.kvm.refusals.contains { $0.feature == feature } }
    return catalogue
  }()
}
