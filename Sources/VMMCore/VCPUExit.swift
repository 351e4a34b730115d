/// Why an engine handed control back: one architectural interaction, or a stop that is none.
///
/// Interactions are defined by the instruction set, not by how an engine batches them: each unit of REP INS and OUTS is
/// one; an MMIO access is cut into pieces of at most 8 bytes that do not cross a 4 KiB page (as KVM's emulator cuts
/// it); a read-modify-write is a read, then a write.
public enum VCPUExit: Equatable, Sendable {
  /// IN, INS: wants `reply`. `size` is 1, 2 or 4 bytes.
  case portRead(port: UInt16, size: UInt8)
  /// OUT, OUTS.
  case portWrite(port: UInt16, size: UInt8, value: UInt32)
  /// A load from an address that is not memory: wants `reply`. `size` is 1 to 8 bytes.
  case mmioRead(address: GuestPhysicalAddress, size: UInt8)
  /// A store to an address that is not memory; `value` is little-endian.
  case mmioWrite(address: GuestPhysicalAddress, size: UInt8, value: UInt64)
  /// RDMSR of a register that the engine does not hold: wants `reply` or `replyFault`.
  case msrRead(index: UInt32)
  /// WRMSR to a register that the engine does not hold: wants `acknowledge` or `replyFault`.
  case msrWrite(index: UInt32, value: UInt64)
  /// RDTSC or RDTSCP where the engine can trap it: wants `reply`.
  case timestampRead
  /// RDRAND or RDSEED where the engine can trap it: wants `reply`.
  case randomRead
  /// HLT retired; the vCPU waits for an interrupt or an NMI.
  case halt

  /// The stop condition holds: the instructions are retired or the address is reached.
  case stopped
  /// `kick` was called; the state is at an instruction boundary, or between iterations of a REP instruction.
  case kicked
  /// A triple fault.
  case shutdown
  /// The engine cannot execute the instruction at RIP (KVM_EXIT_INTERNAL_ERROR); nothing has changed.
  case notEmulated(bytes: [UInt8])
  /// The engine itself failed to enter the guest; the text says how.
  case failed(String)

  /// An interaction is an event of the run with an ordinal of its own; the other exits are not.
  public var isInteraction: Bool {
    switch self {
    case .portRead, .portWrite, .mmioRead, .mmioWrite, .msrRead, .msrWrite, .timestampRead, .randomRead, .halt: true
    case .stopped, .kicked, .shutdown, .notEmulated, .failed: false
    }
  }

  /// The interaction takes a value in.
  public var wantsReply: Bool {
    switch self {
    case .portRead, .mmioRead, .msrRead, .timestampRead, .randomRead: true
    default: false
    }
  }
}

extension VCPUExit: CustomStringConvertible {
  public var description: String {
    switch self {
    case .portRead(let port, let size): "in \(size) port \(hex(port))"
    case .portWrite(let port, let size, let value): "out \(size) port \(hex(port)) value \(hex(value))"
    case .mmioRead(let address, let size): "mmio read \(size) at \(address)"
    case .mmioWrite(let address, let size, let value): "mmio write \(size) at \(address) value \(hex(value))"
    case .msrRead(let index): "rdmsr \(hex(index))"
    case .msrWrite(let index, let value): "wrmsr \(hex(index)) value \(hex(value))"
    case .timestampRead: "rdtsc"
    case .randomRead: "rdrand"
    case .halt: "hlt"
    case .stopped: "stopped"
    case .kicked: "kicked"
    case .shutdown: "triple fault"
    case .notEmulated(let bytes):
      "instruction not emulated: " + bytes.map { String(hex($0, digits: 2).dropFirst(2)) }.joined(separator: " ")
    case .failed(let reason): "failed: \(reason)"
    }
  }
}
