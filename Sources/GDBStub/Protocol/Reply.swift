/// What goes back to the client for one packet.
enum Reply: Equatable {
  /// A packet with this payload, which needs no escapes.
  case payload([UInt8])
  /// Nothing: the packet has no answer (`k`).
  case silence

  static let ok = Reply.text("OK")
  /// "I do not know this packet."
  static let unsupported = Reply.payload([])

  static func text(_ text: String) -> Reply { .payload(Array(text.utf8)) }
  static func hex(_ bytes: [UInt8]) -> Reply { .payload(bytes.hexText) }
}

/// Why a packet that the stub knows was not carried out.
enum PacketError: Error, Equatable {
  /// It does not follow the grammar.
  case malformed
  /// It asks for more than the stub's bounds allow.
  case tooMuch
  /// The memory that it names is not there.
  case noMemory
  /// The thread, register, breakpoint or object that it names is not there.
  case notFound
  /// The target would not, and says why.
  case refused(String)

  /// gdb shows the text of `E.…`; other errors travel as the number that errno would have.
  var payload: [UInt8] {
    switch self {
    case .malformed: Array("E16".utf8)
    case .tooMuch: Array("E07".utf8)
    case .noMemory: Array("E0e".utf8)
    case .notFound: Array("E02".utf8)
    case .refused(let reason): Array("E.".utf8) + printable(reason)
    }
  }

  init(_ error: TargetError) { self = .refused(error.description) }

  /// Errors are not unescaped by clients: characters of the frame are replaced.
  private func printable(_ text: String) -> [UInt8] {
    text.utf8.prefix(1000).map { byte in
      switch byte {
      case UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "}"), UInt8(ascii: "*"): UInt8(ascii: "?")
      case 0x20...0x7e: byte
      default: UInt8(ascii: " ")
      }
    }
  }
}
