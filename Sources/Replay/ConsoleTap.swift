public import VMMCore

/// Finds the console text in a run's interactions alone: what the guest writes to the transmit register of its first
/// UART (16550 datasheet: offset 0 while LCR.DLAB and MCR.LOOP are clear) and to the debug console. A replay, which has
/// no devices, gets its console from here.
public struct ConsoleTap: Equatable, Sendable {
  private var divisorLatchAccess = false
  private var loopback = false

  public init() {}

  /// The character that this interaction prints, if it does.
  public mutating func character(from exit: VCPUExit) -> UInt8? {
    guard case .portWrite(let port, _, let value) = exit else { return nil }
    let byte = UInt8(truncatingIfNeeded: value)
    switch port {
    case BoardAddress.uart: return divisorLatchAccess || loopback ? nil : byte
    case BoardAddress.uart + 3: divisorLatchAccess = byte & 0x80 != 0
    case BoardAddress.uart + 4: loopback = byte & 0x10 != 0
    case BoardAddress.debugConsole: return byte
    default: break
    }
    return nil
  }
}

/// Where the board's devices are, in the I/O address space of an AT.
enum BoardAddress {
  static let uart: UInt16 = 0x3f8
  static let debugConsole: UInt16 = 0xe9
}
