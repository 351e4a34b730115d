internal import Glibc

/// A socket address of any family, as the bytes that the kernel takes.
struct SocketAddress {
  private var storage = sockaddr_storage()
  private var length: socklen_t = 0

  var family: Int32 { Int32(storage.ss_family) }

  /// A Unix socket; `nil` when the path does not fit.
  init?(path: String) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    let room = MemoryLayout.size(ofValue: address.sun_path)
    guard !bytes.isEmpty, bytes.count < room, !bytes.contains(0) else { return nil }
    // Sound: the path was just found to fit, with a NUL after it.
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    unsafe self.init(copying: &address, count: MemoryLayout<sockaddr_un>.size)
  }

  private init(copying source: UnsafeRawPointer, count: Int) {
    let count = min(count, MemoryLayout<sockaddr_storage>.size)
    unsafe withUnsafeMutableBytes(of: &storage) {
      unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: source, count: count))
    }
    length = socklen_t(count)
  }

  /// The addresses of a host name, in the resolver's order.
  static func resolve(_ host: String, port: UInt16) throws(ServerError) -> [SocketAddress] {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let status = unsafe getaddrinfo(host == "*" ? nil : host, String(port), &hints, &list)
    guard status == 0 else {
      throw ServerError("cannot listen on \(host): \(unsafe String(cString: gai_strerror(status)))")
    }
    defer { unsafe freeaddrinfo(list) }
    var addresses: [SocketAddress] = []
    var next = unsafe list
    while let entry = unsafe next {
      if let address = unsafe entry.pointee.ai_addr {
        unsafe addresses.append(SocketAddress(copying: address, count: Int(entry.pointee.ai_addrlen)))
      }
      unsafe next = entry.pointee.ai_next
    }
    return addresses
  }

  func bind(_ descriptor: Descriptor) -> Bool {
    unsafe withSockaddr { unsafe Glibc.bind(descriptor.number, $0, length) } == 0
  }

  func connect(_ descriptor: Descriptor) -> Bool {
    unsafe withSockaddr { unsafe Glibc.connect(descriptor.number, $0, length) } == 0
  }

  private func withSockaddr<T>(_ body: (UnsafePointer<sockaddr>) -> T) -> T {
    var copy = storage
    return unsafe withUnsafePointer(to: &copy) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0) }
    }
  }

  /// The port of a bound socket.
  static func localPort(of descriptor: Descriptor) -> UInt16? {
    var address = SocketAddress()
    address.length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let status = unsafe withUnsafeMutablePointer(to: &address.storage) { storage in
      unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(descriptor.number, $0, &address.length)
      }
    }
    return status == 0 ? address.port : nil
  }

  private init() {}

  /// Bytes 2 and 3 in both families.
  private var port: UInt16 { UInt16(byte(2)) << 8 | UInt16(byte(3)) }

  private func byte(_ index: Int) -> UInt8 {
    var copy = storage
    return unsafe withUnsafeBytes(of: &copy) { unsafe $0[index] }
  }

  /// 127.0.0.0/8 and ::1.
  var isLoopback: Bool {
    switch family {
    case AF_INET: byte(4) == 127
    case AF_INET6: (8..<23).allSatisfy { byte($0) == 0 } && byte(23) == 1
    default: true
    }
  }

  /// `ADDRESS:PORT` in digits.
  func name(port: UInt16) -> String {
    switch family {
    case AF_INET: return (4..<8).map { String(byte($0)) }.joined(separator: ".") + ":\(port)"
    default:
      let groups = stride(from: 8, to: 24, by: 2).map {
        String(UInt16(byte($0)) << 8 | UInt16(byte($0 + 1)), radix: 16)
      }
      let text = groups.joined(separator: ":")
      let short = text == "0:0:0:0:0:0:0:1" ? "::1" : text == "0:0:0:0:0:0:0:0" ? "::" : text
      return "[\(short)]:\(port)"
    }
  }
}
