/// What is typed on the serial line while recording.
public protocol InputSource: AnyObject {
  /// The bytes that have come since the last call, without waiting.
  func poll() -> [UInt8]
  /// More may come.
  var isOpen: Bool { get }
}

/// Nobody types.
public final class NoInput: InputSource {
  public init() {}
  public func poll() -> [UInt8] { [] }
  public var isOpen: Bool { false }
}
