@testable import GDBStub

/// A client in memory: says its lines, a chunk at each read, and then hangs up. It waits for the machine to stop,
/// unless `pollsBeforeChunk` says how many polls later it speaks (or hangs up) while the machine runs.
final class MemoryTransport: Transport {
  private var chunks: [[UInt8]]
  private(set) var sent: [UInt8] = []
  /// Makes `send` fail.
  var isBroken = false
  private let pollsBeforeChunk: Int?
  private var polls = 0

  init(_ chunks: [[UInt8]], pollsBeforeChunk: Int? = nil) {
    self.chunks = chunks.reversed()
    self.pollsBeforeChunk = pollsBeforeChunk
  }

  func receive(into buffer: inout [UInt8], wait: Bool) -> ReceiveResult {
    if !wait {
      guard let pollsBeforeChunk else { return .nothing }
      polls += 1
      if polls <= pollsBeforeChunk { return .nothing }
      polls = 0
    }
    guard let chunk = chunks.popLast() else { return .closed }
    buffer += chunk
    return .bytes
  }

  func send(_ bytes: [UInt8]) -> Bool {
    sent += bytes
    return !isBroken
  }
}

/// A conversation without acknowledgements.
struct Conversation {
  var replies: [String]
  var end: SessionEnd

  /// Says all packets and collects the answers.
  init(_ packets: [String], target: any DebugTarget = FakeTarget(), architecture: ClientArchitecture? = nil) {
    self.init(frames: packets.map { Array($0.utf8).framed }, target: target, architecture: architecture)
  }

  /// Says raw bytes after switching acknowledgements off.
  init(
    frames: [[UInt8]], target: any DebugTarget = FakeTarget(), architecture: ClientArchitecture? = nil,
    pollsBeforeChunk: Int? = nil, clock: @escaping () -> UInt64 = { 0 }
  ) {
    let transport = MemoryTransport(
      [Array("QStartNoAckMode".utf8).framed] + frames, pollsBeforeChunk: pollsBeforeChunk)
    end = Session(target: target, transport: transport, options: .init(architecture: architecture), clock: clock).run()
    replies = Conversation.joined(Array(Conversation.payloads(transport.sent).dropFirst()))
  }

  /// The text of a `monitor` command comes as console output before the OK: one reply here.
  private static func joined(_ payloads: [String]) -> [String] {
    payloads.reduce(into: []) { replies, payload in
      if payload == "OK", let text = replies.last, text.hasPrefix("O"), text != "OK" {
        replies[replies.count - 1] = String(text.dropFirst())
      } else {
        replies.append(payload)
      }
    }
  }

  /// The payloads of a stream of frames; escapes stay.
  static func payloads(_ bytes: [UInt8]) -> [String] {
    var parser = PacketParser()
    return bytes.compactMap { byte in
      switch parser.take(byte) {
      case .packet(let payload): String(decoding: payload, as: UTF8.self)
      case .damaged: "damaged"
      default: nil
      }
    }
  }
}

/// What one packet is answered with.
func reply(
  _ packet: String, target: any DebugTarget = FakeTarget(), architecture: ClientArchitecture? = nil
) -> String {
  Conversation([packet], target: target, architecture: architecture).replies.first ?? "silence"
}

/// What the last of several packets is answered with.
func lastReply(_ packets: [String], target: any DebugTarget = FakeTarget()) -> String {
  let replies = Conversation(packets, target: target).replies
  return replies.count == packets.count ? replies[packets.count - 1] : "\(replies.count) replies: \(replies)"
}

/// A `monitor` command's text.
func monitor(_ command: String, target: any DebugTarget = FakeTarget()) -> String {
  monitorText(Conversation(["qRcmd," + hexText(command)], target: target).replies)
}

/// What the last `monitor` command says: on the console; the error behind it, if there is one, has no text.
func monitorText(_ replies: [String]) -> String {
  let last = replies.last ?? ""
  guard last == "E01" || last == "OK", let console = replies.dropLast().last, console.hasPrefix("O") else {
    return text(last)
  }
  return text(String(console.dropFirst()))
}

func hexText(_ text: String) -> String { String(decoding: Array(text.utf8).hexText, as: UTF8.self) }

/// The text that hexadecimal digits stand for.
func text(_ digits: String) -> String {
  var reader = PacketReader(digits)
  return (try? reader.hexBytes()).map { String(decoding: $0, as: UTF8.self) } ?? "not hexadecimal: \(digits)"
}
