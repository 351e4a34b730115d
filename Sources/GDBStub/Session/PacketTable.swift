/// Every packet that the stub knows, and who answers it (gdb manual, E.2 to E.4). What is not here gets the empty
/// reply, which is how a client learns that a packet is not supported.
struct PacketTable {
  typealias Handler = (Session) -> (inout PacketReader) throws(PacketError) -> Reply

  enum Form {
    /// The name is the whole packet.
    case exact
    /// The handler reads on after the name.
    case prefix
  }

  struct Packet {
    var name: [UInt8]
    var form: Form
    var handler: Handler

    init(_ name: String, _ form: Form, _ handler: @escaping Handler) {
      self.name = Array(name.utf8)
      self.form = form
      self.handler = handler
    }

    func matches(_ payload: [UInt8]) -> Bool {
      form == .exact ? payload == name : payload.starts(with: name)
    }
  }

  private static func makePackets() -> [Packet] {
    [
      // Handshake: HandshakePackets.swift
      Packet("qSupported", .prefix, Session.supported),
      Packet("QStartNoAckMode", .exact, Session.startNoAckMode),
      Packet("!", .exact, Session.extendedMode),
      Packet("qXfer:features:read:", .prefix, Session.readFeatures),
      Packet("qHostInfo", .exact, Session.hostInfo),
      Packet("qProcessInfo", .exact, Session.processInfo),
      // Threads: ThreadPackets.swift
      Packet("H", .prefix, Session.selectThread),
      Packet("T", .prefix, Session.isThreadAlive),
      Packet("qC", .exact, Session.currentThread),
      Packet("qAttached", .exact, Session.attached),
      Packet("qAttached:", .prefix, Session.attached),
      Packet("qfThreadInfo", .exact, Session.firstThreads),
      Packet("qsThreadInfo", .exact, Session.moreThreads),
      Packet("qThreadExtraInfo,", .prefix, Session.threadExtraInfo),
      // Registers: RegisterPackets.swift
      Packet("g", .exact, Session.readRegisters),
      Packet("G", .prefix, Session.writeRegisters),
      Packet("p", .prefix, Session.readRegister),
      Packet("P", .prefix, Session.writeRegister),
      // Memory: MemoryPackets.swift, SearchPackets.swift
      Packet("m", .prefix, Session.readMemory),
      Packet("M", .prefix, Session.writeMemoryHex),
      Packet("X", .prefix, Session.writeMemoryBinary),
      Packet("Qqemu.PhyMemMode:", .prefix, Session.setPhysicalMode),
      Packet("qqemu.PhyMemMode", .exact, Session.physicalMode),
      Packet("qSearch:memory:", .prefix, Session.searchMemory),
      Packet("qCRC:", .prefix, Session.checksumMemory),
      // Running: ResumePackets.swift
      Packet("?", .exact, Session.stopReason),
      Packet("c", .prefix, Session.continueForward),
      Packet("C", .prefix, Session.continueWithSignal),
      Packet("s", .prefix, Session.stepForward),
      Packet("S", .prefix, Session.stepWithSignal),
      Packet("bc", .exact, Session.continueBackward),
      Packet("bs", .exact, Session.stepBackward),
      Packet("vCont?", .exact, Session.resumeActions),
      Packet("vCont;", .prefix, Session.resumeWithActions),
      // Breakpoints: BreakpointPackets.swift
      Packet("Z", .prefix, Session.insertPoint),
      Packet("z", .prefix, Session.removePoint),
      // Begin and end: LifecyclePackets.swift
      Packet("D", .prefix, Session.detach),
      Packet("k", .exact, Session.kill),
      Packet("vKill;", .prefix, Session.killProcess),
      Packet("vRun;", .prefix, Session.startAgain),
      Packet("R", .prefix, Session.restart),
      // Files: FilePackets.swift
      Packet("vFile:open:", .prefix, Session.openFile),
      Packet("vFile:pread:", .prefix, Session.readFile),
      Packet("vFile:close:", .prefix, Session.closeFile),
      // The user's own words: MonitorPackets.swift
      Packet("qRcmd,", .prefix, Session.monitorCommand),
    ]
  }

  /// By first byte, longer names first: `qC` must not shadow `qCRC:`.
  private static func makeIndex() -> [[Packet]] {
    var index = [[Packet]](repeating: [], count: 256)
    for packet in makePackets().sorted(by: { $0.name.count > $1.name.count }) {
      index[Int(packet.name[0])].append(packet)
    }
    return index
  }

  private let index = makeIndex()

  func reply(to payload: [UInt8], in session: Session) throws(PacketError) -> Reply {
    guard let first = payload.first, let packet = index[Int(first)].first(where: { $0.matches(payload) }) else {
      return .unsupported
    }
    var reader = PacketReader(payload, from: packet.name.count)
    return try packet.handler(session)(&reader)
  }
}
