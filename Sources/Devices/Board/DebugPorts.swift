/// The state of a device that remembers nothing.
public struct NoState: DeviceState {
  public init() {}
  public mutating func code(with coder: inout StateCoder) {}
}

/// The port that ends the run: as QEMU's `isa-debug-exit`, every write asks for the end, reads give 0.
public final class DebugExitPort: PortDevice {
  public let name = "debug-exit"
  public let hasWideRegisters = true
  private let request: MachineRequestSink

  public static let standardPorts = [PortRange(0xf4, count: 4)]

  public init(request: @escaping MachineRequestSink) { self.request = request }

  public func snapshot() -> NoState { NoState() }
  public func restore(_ state: NoState) {}

  public func read(offset: UInt16, size: UInt8, now: UInt64) -> UInt32 { offset < 4 ? 0 : allOnes(size) }

  public func write(offset: UInt16, size: UInt8, value: UInt32, now: UInt64) {
    if offset < 4 { request(.debugExit(value: value & allOnes(size))) }
  }
}

/// The debug console of Bochs and QEMU: bytes written come out, and reading 0xe9 says that it is there.
public final class DebugConsole: BytePortDevice {
  public let name = "debug-console"
  private let output: (UInt8) -> Void

  public static let standardPorts = [PortRange(0xe9, count: 1)]

  public init(output: @escaping (UInt8) -> Void) { self.output = output }

  public func snapshot() -> NoState { NoState() }
  public func restore(_ state: NoState) {}

  public func readByte(offset: UInt16, now: UInt64) -> UInt8 { offset == 0 ? 0xe9 : 0xff }
  public func writeByte(offset: UInt16, value: UInt8, now: UInt64) {
    if offset == 0 { output(value) }
  }
}

/// Port 0x80: firmware shows its progress there, and others write to it to let a microsecond pass. It holds its byte.
public final class POSTPort: BytePortDevice {
  public struct State: DeviceState {
    public internal(set) var code: UInt8 = 0
    public init() {}
    public mutating func code(with coder: inout StateCoder) { coder.code(&code) }
  }

  public let name = "post"
  private var state = State()

  public static let standardPorts = [PortRange(0x80, count: 1)]

  public init() {}

  public func snapshot() -> State { state }
  public func restore(_ state: State) { self.state = state }

  public func readByte(offset: UInt16, now: UInt64) -> UInt8 { offset == 0 ? state.code : 0xff }
  public func writeByte(offset: UInt16, value: UInt8, now: UInt64) {
    if offset == 0 { state.code = value }
  }
}

/// All ones in the low `size` bytes.
func allOnes(_ size: UInt8) -> UInt32 {
  size >= 4 ? .max : (1 << UInt32(8 * size)) - 1
}
