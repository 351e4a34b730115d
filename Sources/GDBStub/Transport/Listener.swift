internal import Glibc

/// A listening socket, TCP or Unix.
final class Listener {
  let descriptor: Descriptor
  /// As the user names it to gdb: `127.0.0.1:10000`, `[::1]:10000` or a path.
  let name: String
  /// Anybody on the network can reach it.
  let isExposed: Bool
  /// What is removed at the end.
  private let path: String?
  /// Clients that were told that there is another one: kept until they leave, so that they can read it.
  private var refused: [Descriptor] = []
  private static let maximumRefused = 8

  init(tcp host: String, port: UInt16) throws(ServerError) {
    var found: (Descriptor, SocketAddress)?
    for address in try SocketAddress.resolve(host, port: port) where found == nil {
      let descriptor = Descriptor(socket(address.family, streamSocket, 0))
      setOption(descriptor, SOL_SOCKET, SO_REUSEADDR)
      if descriptor.number >= 0, address.bind(descriptor), listen(descriptor.number, 8) == 0 {
        found = (descriptor, address)
      }
    }
    guard let (descriptor, address) = found else {
      throw ServerError("cannot listen on \(host):\(port): \(errorText()); choose another port")
    }
    self.descriptor = descriptor
    name = address.name(port: SocketAddress.localPort(of: descriptor) ?? port)
    isExposed = !address.isLoopback
    path = nil
    descriptor.makeNonBlocking()
  }

  /// A socket that only its owner may use. One that a dead server left is replaced.
  init(unix path: String) throws(ServerError) {
    guard let address = SocketAddress(path: path) else {
      throw ServerError("cannot listen on \(path): the path is too long for a Unix socket (107 bytes)")
    }
    descriptor = Descriptor(socket(AF_UNIX, streamSocket, 0))
    if Listener.isAbandoned(path, address) { unsafe unlink(path) }
    guard descriptor.number >= 0, address.bind(descriptor) else {
      throw ServerError("cannot listen on \(path): \(errorText())")
    }
    self.path = path
    name = path
    isExposed = false
    guard unsafe chmod(path, 0o600) == 0, listen(descriptor.number, 8) == 0 else {
      throw ServerError("cannot listen on \(path): \(errorText())")
    }
    descriptor.makeNonBlocking()
  }

  deinit {
    if let path { unsafe unlink(path) }
  }

  /// A socket that nobody answers on.
  private static func isAbandoned(_ path: String, _ address: SocketAddress) -> Bool {
    var status = stat()
    guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return false }
    let probe = Descriptor(socket(AF_UNIX, streamSocket, 0))
    return !address.connect(probe) && errno == ECONNREFUSED
  }

  /// The next client; `nil` when there is none after all.
  func accept() -> Descriptor? {
    let number = Glibc.accept(descriptor.number, nil, nil)
    guard number >= 0 else { return nil }
    let client = Descriptor(number)
    client.closeOnExec()
    // Steps are one small packet each way: they must not wait for company.
    setOption(client, Int32(IPPROTO_TCP), TCP_NODELAY)
    return client
  }

  /// Tells clients that come while another one is served.
  func refuse() {
    while let client = accept() {
      client.makeNonBlocking()
      let text = "E.chronovisor: another debugger is attached to this replay"
      // An acknowledgement for the first packet, and an error as the answer to it.
      _ = client.write(([UInt8(ascii: "+")] + Array(text.utf8).framed)[...])
      shutdown(client.number, Int32(SHUT_WR))
      refused.append(client)
      if refused.count > Listener.maximumRefused { refused.removeFirst() }
    }
  }
}

/// SOCK_STREAM; SOCK_CLOEXEC has the value of O_CLOEXEC on Linux.
private let streamSocket = Int32(SOCK_STREAM.rawValue) | O_CLOEXEC

private func setOption(_ descriptor: Descriptor, _ level: Int32, _ option: Int32) {
  var one: Int32 = 1
  _ = unsafe setsockopt(descriptor.number, level, option, &one, socklen_t(MemoryLayout<Int32>.size))
}

/// The text of errno.
func errorText() -> String { unsafe String(cString: strerror(errno)) }
