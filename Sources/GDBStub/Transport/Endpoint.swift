/// Where a server waits for its client.
public enum Endpoint: Equatable, Sendable {
  /// TCP. Port 0 lets the host choose one.
  case tcp(host: String, port: UInt16)
  /// A Unix socket at this path.
  case unix(path: String)
  /// Standard input and output: `target remote | COMMAND`.
  case standardIO

  /// Nobody but this host's users can reach it.
  public static let loopback = "127.0.0.1"

  /// `PORT`, `HOST:PORT`, `[ADDRESS]:PORT`, `unix:PATH`, a path with a slash, or `-`. Without a host it is the loopback
  /// address.
  public init?(_ text: String) {
    if text == "-" {
      self = .standardIO
    } else if text.hasPrefix("unix:") {
      guard text.count > 5 else { return nil }
      self = .unix(path: String(text.dropFirst(5)))
    } else if text.contains("/") {
      self = .unix(path: text)
    } else {
      guard let (host, port) = Endpoint.hostAndPort(text) else { return nil }
      self = .tcp(host: host, port: port)
    }
  }

  private static func hostAndPort(_ text: String) -> (String, UInt16)? {
    guard let colon = text.lastIndex(of: ":") else { return UInt16(text).map { (loopback, $0) } }
    var host = text[..<colon]
    guard let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    return (host.isEmpty ? loopback : String(host), port)
  }
}

/// The server cannot be had.
public struct ServerError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What was tried, what came back, and what to do: one line.
  public var description: String
  public init(_ description: String) { self.description = description }
}
