internal import Glibc

/// Waits for debuggers at an endpoint and serves them, one at a time.
public final class Server {
  public struct Options: Sendable {
    /// After a client has left, wait for the next one.
    public var keepsListening = false
    /// What clients are told; `nil` for what fits the code that the machine is in.
    public var architecture: ClientArchitecture?
    /// The client's symbols may lie beyond 4 GiB. gdb in 16- or 32-bit code then gets a program counter of 64 bits:
    /// with a narrow one it would not know a breakpoint in 64-bit code beyond 4 GiB when a run comes to it.
    public var hasWideSymbols: Bool

    public init(keepsListening: Bool = false, architecture: ClientArchitecture? = nil, hasWideSymbols: Bool = false) {
      self.keepsListening = keepsListening
      self.architecture = architecture
      self.hasWideSymbols = hasWideSymbols
    }
  }

  /// Ends `serve` from any thread.
  public struct Stopper: Sendable {
    fileprivate let number: Int32
    /// `serve` returns soon, even in the middle of a run. Only while the server exists.
    public func stop() {
      var one: UInt8 = 1
      _ = unsafe Glibc.write(number, &one, 1)
    }
  }

  /// What the user should know, a line each.
  public let notices: [String]
  /// What gdb's `target remote` takes: `127.0.0.1:10000`, a path, or `-`.
  public let name: String
  /// The TCP port in use.
  public let port: UInt16?

  private let listener: Listener?
  private let stop: StopPipe
  private let options: Options

  /// Binds and listens; clients may connect from now on.
  ///
  /// Standard input and output, and the sockets of clients, may be closed by the other side at any time: SIGPIPE is
  /// ignored from now on, for the whole process.
  public init(_ endpoint: Endpoint, options: Options = Options()) throws(ServerError) {
    self.options = options
    stop = try StopPipe()
    signal(SIGPIPE, SIG_IGN)
    switch endpoint {
    case .tcp(let host, let port): listener = try Listener(tcp: host, port: port)
    case .unix(let path): listener = try Listener(unix: path)
    case .standardIO: listener = nil
    }
    name = listener?.name ?? "-"
    port = name.split(separator: ":").last.flatMap { UInt16($0) }
    notices =
      listener?.isExposed == true
      ? ["warning: \(name) can be reached from other machines: whoever connects can read the guest's memory"] : []
  }

  public var stopper: Stopper { Stopper(number: stop.writer.number) }

  /// Serves one client after another: returns when one has left and the server does not keep listening, or is stopped.
  ///
  /// - Parameters:
  ///   - event: told what happens, a line each: a client came, left.
  ///   - refusal: told why a change of memory was refused, a line each: gdb 13 does not show it.
  public func serve(
    _ target: any DebugTarget, event: (String) -> Void = { _ in }, refusal: @escaping (String) -> Void = { _ in }
  ) -> SessionEnd {
    while let transport = nextClient() {
      event("a debugger connected")
      let session = Session(target: target, transport: transport, options: options)
      session.onRefusedWrite = refusal
      let end = session.run()
      event("the debugger \(end.words)")
      if listener == nil || !options.keepsListening || isStopped { return end }
    }
    return .closed
  }

  private var isStopped: Bool {
    var poll = Poll()
    poll.add(stop.reader)
    return poll.wait(milliseconds: 0)
  }

  private func nextClient() -> DescriptorTransport? {
    guard let listener else {
      let (input, output) = (Descriptor(STDIN_FILENO, isOwned: false), Descriptor(STDOUT_FILENO, isOwned: false))
      return DescriptorTransport(input: input, output: output, listener: nil, stop: stop.reader)
    }
    while true {
      var poll = Poll()
      poll.add(listener.descriptor)
      poll.add(stop.reader)
      guard poll.wait(milliseconds: -1) else { continue }
      if poll.isReady(1) { return nil }
      if let client = listener.accept() {
        return DescriptorTransport(input: client, output: client, listener: listener, stop: stop.reader)
      }
    }
  }
}

extension SessionEnd {
  /// What the client did.
  public var words: String {
    switch self {
    case .detached: "detached"
    case .killed: "ended the replay"
    case .closed: "went away"
    }
  }
}
