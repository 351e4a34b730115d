/// PCI configuration mechanism 1 (PCI Local Bus 3.0, 3.2.2.3) with no device on the bus, and the reset control register
/// of the PIIX chipsets, which lies among its ports.
///
/// CONFIG_ADDRESS is there for 4-byte accesses only; a byte access to the second of its ports is the reset control.
public final class PCIConfigPorts: PortDevice {
  public struct State: DeviceState {
    var address: UInt32 = 0
    var resetControl: UInt8 = 0
    public init() {}
    public mutating func code(with coder: inout StateCoder) {
      coder.code(&address)
      coder.code(&resetControl)
    }
  }

  public let name = "pci"
  public let hasWideRegisters = true
  private var state = State()
  private let request: MachineRequestSink

  /// Offset 0 CONFIG_ADDRESS, 1 the reset control (port 0xcf9), 4 CONFIG_DATA.
  public static let standardPorts = [PortRange(0xcf8, count: 8)]

  /// The enable bit, and bus, device, function and register.
  private static let addressBits: UInt32 = 0x80ff_fffc
  /// Reset control: hard reset, reset CPU (on its rising edge), full reset.
  private static let resetBits: UInt8 = 0x0e
  private static let resetCPU: UInt8 = 1 << 2

  public init(request: @escaping MachineRequestSink) { self.request = request }

  public func snapshot() -> State { state }
  public func restore(_ state: State) { self.state = state }

  public func read(offset: UInt16, size: UInt8, now: UInt64) -> UInt32 {
    switch (offset, size) {
    case (0, 4): state.address
    case (1, 1): UInt32(state.resetControl)
    default: allOnes(size)
    }
  }

  public func write(offset: UInt16, size: UInt8, value: UInt32, now: UInt64) {
    switch (offset, size) {
    case (0, 4): state.address = value & PCIConfigPorts.addressBits
    case (1, 1):
      let value = UInt8(truncatingIfNeeded: value) & PCIConfigPorts.resetBits
      if value & ~state.resetControl & PCIConfigPorts.resetCPU != 0 { request(.reset) }
      state.resetControl = value
    default: break
    }
  }
}
