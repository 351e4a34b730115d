/// A part of the machine that guest code can see.
///
/// Devices are single-threaded and deterministic: the same calls with the same times give the same answers. A time is
/// in nanoseconds since the machine's start and never goes back; a device asks nobody else for it. What a device does
/// to the outside (interrupt lines, output, requests to the machine) goes through sinks that it got when it was made.
public protocol Device: AnyObject {
  /// Everything that the device remembers, as a plain value.
  associatedtype State: DeviceState

  /// The name in snapshots and messages; unique in a machine.
  var name: String { get }

  /// Does what is due up to `now`, such as raising an interrupt.
  func advance(to now: UInt64)

  /// When the device next wants to be advanced; `nil` when nothing will happen on its own.
  var nextDeadline: UInt64? { get }

  func snapshot() -> State
  /// Takes over a state. No sink is called: the levels of lines that were driven before belong to the states of those
  /// who received them.
  func restore(_ state: State)
}

extension Device {
  public func advance(to now: UInt64) {}
  public var nextDeadline: UInt64? { nil }

  /// The snapshot as bytes.
  public func encodedState() -> [UInt8] { snapshot().encoded() }

  /// Restores what `encodedState` gave; false, and nothing changed, when the bytes are not such a state.
  public func restore(encoded bytes: [UInt8]) -> Bool {
    guard let state = State(encoded: bytes) else { return false }
    restore(state)
    return true
  }
}

/// What guest code or an operator asks of the machine as a whole.
public enum MachineRequest: Equatable, Sendable {
  /// ACPI S5.
  case powerOff
  /// By the keyboard controller, port 0x92 or port 0xcf9.
  case reset
  /// A write to the debug-exit port, zero-extended.
  case debugExit(value: UInt32)
}

/// Where requests go. The device that asks is in the middle of an access: note the request, act on it afterwards.
public typealias MachineRequestSink = (MachineRequest) -> Void

/// A wire from a device to an interrupt controller. High means asserted.
public struct InterruptLine {
  private let drive: (Bool) -> Void

  public init(_ drive: @escaping (Bool) -> Void) { self.drive = drive }

  /// Drives the line. Repeating a level does nothing at the other end.
  public func set(_ level: Bool) { drive(level) }

  /// Leads nowhere.
  public static var unconnected: InterruptLine { InterruptLine { _ in } }
}
