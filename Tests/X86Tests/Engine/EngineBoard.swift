import GuestMemory
import Loaders
import Support
import VMMCore
import X86

/// An engine with the few devices that the simplest guests need: a UART that takes everything, ports and a register
/// that read as what was written to them last, and the two ways out.
final class EngineBoard {
  enum End: Equatable {
    case exitStatus(UInt8)
    case powerOff
    case exit(VCPUExit)
    case limit
  }

  let engine: SoftwareEngine
  let memory: GuestMemory
  var console: [UInt8] = []
  var interactions = 0
  /// Every exit, in order.
  var log: [VCPUExit] = []
  private var scratch: [UInt16: UInt64] = [:]

  convenience init(guest name: String) throws { try self.init(path: TestGuests.path(name)) }

  init(path: String, memorySize: UInt64 = 16 << 20) throws {
    let image = GuestImage(role: .kernel, name: "guest", bytes: try FileBytes.read(path))
    let machine = try GuestLoader.load(kernel: image, memorySize: memorySize).machine
    memory = try GuestMemory(size: memorySize)
    for placement in machine.placements {
      switch placement.source {
      case .bytes(let bytes): memory.write(bytes, at: placement.address)
      case .image(let index, let offset, let count):
        memory.write(Array(machine.images[index].bytes[offset..<(offset + count)]), at: placement.address)
      }
    }
    engine = SoftwareEngine(memory: memory)
    try engine.setState(machine.state)
  }

  var text: String { String(decoding: console, as: UTF8.self) }

  /// Runs to the guest's end, asking for the next limit each time.
  func run(_ limit: RunLimit = .free, exits: Int = 100_000) throws -> End {
    for _ in 0..<exits {
      let exit = try engine.run(limit)
      log.append(exit)
      if let end = handle(exit) { return end }
    }
    return .limit
  }

  /// Answers an interaction; what it ended, if anything.
  func handle(_ exit: VCPUExit) -> End? {
    if exit.isInteraction { interactions += 1 }
    switch exit {
    case .portWrite(0x3f8, _, let value): console.append(UInt8(truncatingIfNeeded: value))
    case .portWrite(0xf4, _, let value): return .exitStatus(UInt8(truncatingIfNeeded: value << 1 | 1))
    case .portWrite(0x604, _, _): return .powerOff
    case .portWrite(let port, _, let value): scratch[port] = UInt64(value)
    case .portRead(0x3fd, _): engine.reply(0x60)
    case .portRead(let port, _): engine.reply(scratch[port] ?? 0)
    case .msrWrite: engine.acknowledge()
    case .stopped: return .exit(.stopped)
    case .mmioWrite: return nil
    case .mmioRead, .timestampRead, .randomRead, .msrRead: engine.reply(0)
    default: return .exit(exit)
    }
    return nil
  }
}
