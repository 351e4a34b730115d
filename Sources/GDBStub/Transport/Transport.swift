/// A stream of bytes to and from one client. The in-memory twin of the tests stands beside the descriptors of a server.
public protocol Transport: AnyObject {
  /// Appends what has arrived to `buffer`, up to a bound of its own. Waits for something when `wait` is set, else comes
  /// back at once.
  func receive(into buffer: inout [UInt8], wait: Bool) -> ReceiveResult

  /// Sends everything; false when the client is gone or reads nothing for half a minute.
  func send(_ bytes: [UInt8]) -> Bool
}

public enum ReceiveResult: Equatable, Sendable {
  /// Bytes were appended.
  case bytes
  /// Nothing has arrived.
  case nothing
  /// The client is gone, or the server was asked to stop.
  case closed
}
