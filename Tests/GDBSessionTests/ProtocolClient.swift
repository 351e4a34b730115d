import Foundation
import Support

/// A debugger that speaks the protocol itself, over a Unix socket, without acknowledgements.
final class ProtocolClient {
  private let number: Int32
  private var buffer: [UInt8] = []

  /// `nil` when nobody listens.
  init?(path: String) {
    number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8.prefix(107)) }
    let status = unsafe withUnsafePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard status == 0 else { return nil }
    // A server that hangs is a failed test, not a hanging one.
    var patience = timeval(tv_sec: Int(Debugger.patience), tv_usec: 0)
    unsafe setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    _ = ask("QStartNoAckMode")
    _ = ask("qSupported:swbreak+;hwbreak+")
  }

  deinit { close(number) }

  /// Hangs up without a word.
  func hangUp() { shutdown(number, Int32(SHUT_RDWR)) }

  /// Sends a packet and waits for its answer; empty when the server is gone.
  func ask(_ packet: String) -> String {
    say(packet)
    return hear()
  }

  /// A `monitor` command's answer.
  func monitor(_ command: String) -> String { ask("qRcmd," + command.utf8.map { hexByte($0) }.joined()) }

  func say(_ packet: String) {
    let sum = packet.utf8.reduce(UInt8(0)) { $0 &+ $1 }
    send(Array("$\(packet)#\(hexByte(sum))".utf8))
  }

  /// Ctrl-C.
  func interrupt() { send([3]) }

  private func send(_ bytes: [UInt8]) {
    _ = unsafe Glibc.send(number, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  /// The next packet that is not console output; empty when the server is gone.
  func hear() -> String {
    while true {
      if let packet = takePacket() {
        if packet.hasPrefix("O"), packet != "OK" { continue }
        return packet
      }
      var piece = [UInt8](repeating: 0, count: 65536)
      let count = unsafe read(number, &piece, piece.count)
      guard count > 0 else { return "" }
      buffer += piece.prefix(count)
    }
  }

  private func takePacket() -> String? {
    guard let start = buffer.firstIndex(of: UInt8(ascii: "$")),
      let end = buffer[start...].firstIndex(of: UInt8(ascii: "#")), buffer.count > end + 2
    else { return nil }
    defer { buffer.removeSubrange(...(end + 2)) }
    return String(decoding: buffer[(start + 1)..<end], as: UTF8.self)
  }

  private func hexByte(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
}
